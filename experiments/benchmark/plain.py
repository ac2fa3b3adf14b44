"""A plain implementation for comparison: the usual libraries, and nothing tuned.

It computes in float32 and contiguous memory. The workers of a DataLoader read, crop, turn and warp the images one by
one with OpenCV; torchmetrics computes the pixel AUROC. Network, objective, batch, crop and ranges of the damage are
those of `fae`.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler, default_collate
from torchmetrics.classification import BinaryAUROC

from fae.types import Batch, Objective

Picture = NDArray[np.float32]

_WORKERS = 2


class PlainImages(Dataset[Batch]):
    """Training images with elastic damage, Bauer et al. 2022, section 3.2, in the ranges of conf/corruption/elastic.

    Args:
        paths: paths of the image files.
        image_size: `(height, width)` in pixels that images are resized to.
        crop: `(height, width)` in pixels of the crops.
    """

    def __init__(self, paths: Sequence[Path], image_size: tuple[int, int], crop: tuple[int, int]) -> None:
        self.paths, self.image_size, self.crop = paths, image_size, crop

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Batch:
        """`(3, h, w)` images and a `(1, h, w)` mask, float32 in [0, 1]."""
        # The worker's own seed, which differs from epoch to epoch.
        random = np.random.default_rng(int(torch.randint(2**32, ())))
        image = cv2.cvtColor(cv2.imread(str(self.paths[index])), cv2.COLOR_BGR2RGB)
        image = cv2.resize(image, self.image_size[::-1], interpolation=cv2.INTER_AREA)
        top, left = (random.integers(n - c + 1) for n, c in zip(self.image_size, self.crop, strict=True))
        image = image[top : top + self.crop[0], left : left + self.crop[1]]
        image = image[:: random.choice([-1, 1]), :: random.choice([-1, 1])]
        if self.crop[0] == self.crop[1]:
            image = np.rot90(image, int(random.integers(2)))
        clean: Picture = np.ascontiguousarray(image, dtype=np.float32) / np.float32(255)
        mask = _ellipses(self.crop, random)
        corrupted: Picture = clean + mask[..., None] * (_warp(clean, random) - clean)
        return Batch(*(_planes(part) for part in (clean, corrupted, mask[..., None])))


def _warp(image: Picture, random: np.random.Generator) -> Picture:
    height, width = image.shape[:2]
    smoothness, amplitude = np.exp(random.uniform(np.log(4), np.log(16))), random.uniform(2, 12)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    for grid in (rows, columns):
        field = cv2.GaussianBlur(random.standard_normal((height, width)).astype(np.float32), (0, 0), smoothness)
        grid += amplitude * field / field.std()
    warped = cv2.remap(image, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(np.clip(warped + random.uniform(-0.4, 0.4), 0, 1), dtype=np.float32)


def _ellipses(size: tuple[int, int], random: np.random.Generator) -> Picture:
    mask = np.zeros(size, np.float32)
    for _ in range(random.integers(1, 4)):
        diameter = min(size) * np.exp(random.uniform(np.log(0.03), np.log(0.4)))
        aspect = np.exp(random.uniform(0, np.log(5)))
        shape = np.zeros(size, np.float32)
        axes = (max(1, round(diameter / 2 * aspect**0.5)), max(1, round(diameter / 2 / aspect**0.5)))
        centre = (int(random.integers(size[1])), int(random.integers(size[0])))
        cv2.ellipse(shape, centre, axes, random.uniform(0, 180), 0, 360, 1.0, -1)
        mask = np.maximum(mask, cv2.GaussianBlur(shape, (0, 0), max(0.5, axes[1] * random.uniform(0.1, 0.7) / 2)))
    return mask


def _planes(picture: Picture) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))


def plain_batches(images: PlainImages, batch_size: int) -> Iterator[Batch]:
    """Batches without end from two DataLoader workers; `del` the iterator to end the workers."""
    sampler = RandomSampler(images, replacement=True, num_samples=2**31)
    loader = DataLoader(
        images,
        batch_size,
        sampler=sampler,
        num_workers=_WORKERS,
        collate_fn=_collate,
    )
    return iter(loader)


def _collate(samples: list[Batch]) -> Batch:
    return Batch(*default_collate([sample.parts for sample in samples]))


def plain_step(
    model: nn.Module, objective: Objective, batches: Iterator[Batch], device: torch.device
) -> Callable[[], None]:
    """Return a function that makes one training step with Adam on the next batch; `model` is changed."""
    model.to(device, memory_format=torch.contiguous_format).train()  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

    def step() -> None:
        batch = next(batches).each(lambda part: part.to(device))
        loss = objective(model(batch.corrupted), *batch).total
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def plain_auroc(anomaly_map: Tensor, mask: Tensor) -> float:
    """Pixel AUROC of maps `(N, 1, H, W)` against bool masks of equal shape, updated image by image."""
    metric = BinaryAUROC(validate_args=False)
    for one, target in zip(anomaly_map, mask, strict=True):
        metric.update(one.clamp(max=1), target.long())  # torchmetrics would squash scores above 1 by a sigmoid
    return float(metric.compute())
