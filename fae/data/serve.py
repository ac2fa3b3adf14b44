"""Batches of images, on demand or without end."""

import itertools
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

from fae.data.prepare import Raw
from fae.data.seed import SHUFFLE, generator

_T = TypeVar("_T")


class Batches(Dataset[_T]):
    """Batches that are made on demand.

    Args:
        count: number of batches.
        make: function from a batch's position to the batch.
    """

    def __init__(self, count: int, make: Callable[[int], _T]) -> None:
        self.count, self.make = count, make

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> _T:
        return self.make(index)


class Stream(IterableDataset[Raw]):
    """Training batches from a step on; each pass shows every image once, in a seeded order.

    Args:
        image: `(N, 3, H, W)` uint8 training images.
        size: number of images in a batch.
        seed: seed of the order.
        step: step of the first batch.
        roi: `(N, 1, H, W)` bool regions of interest; None if whole images count.
    """

    def __init__(self, image: Tensor, size: int, seed: int, step: int, roi: Tensor | None = None) -> None:
        self.image, self.size, self.seed, self.step, self.roi = image, size, seed, step, roi

    def __iter__(self) -> Iterator[Raw]:
        count, epoch, order = len(self.image), -1, torch.empty(0)
        for step in itertools.count(self.step):
            chosen = []
            for position in range(step * self.size, (step + 1) * self.size):
                if position // count != epoch:
                    epoch = position // count
                    order = torch.randperm(count, generator=generator(self.seed, SHUFFLE, epoch))
                chosen.append(int(order[position % count]))
            which = torch.tensor(chosen)
            roi = None if self.roi is None else self.roi[which]
            yield Raw(self.image[which.to(self.image.device, non_blocking=True)], step, roi)


def resident(image: Tensor, device: torch.device) -> Tensor:
    """Return the training images, on the device if it is a GPU and half of its free memory holds them."""
    fits = device.type == "cuda" and image.nbytes < torch.cuda.mem_get_info(device)[0] // 2
    return image.to(device) if fits else image
