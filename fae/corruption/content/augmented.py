import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from kornia.augmentation import AugmentationBase2D
from torch import Generator, Tensor

from fae.corruption.colour import desaturate, is_grey

_SMALLEST = 64
"""Smallest side that Kornia is given, in pixels. Its filters refuse an image that is smaller than their kernel."""

_PROBE = (1, 3, 120, 136)
"""Shape of the image on which the constructor tries the augmentation."""


class Augmented:
    """The image itself, changed by an augmentation of Kornia, which may blur, posterise or shade it.

    This content is our addition to the paper. Each image gets its own random numbers. These come from our generator
    alone: PyTorch's global generators are neither read nor advanced. On a GPU the host waits for Kornia's random
    numbers. Images without colours stay grey. Where Kornia returns NaN, the image itself shows.

    Args:
        augmentation: augmentation of `kornia.augmentation` for images `(B, 3, H, W)` in [0, 1] that keeps their
            shape, with `p=1` and `same_on_batch=False`.

    Raises:
        ValueError: `augmentation` is not a 2D image augmentation, would leave some images unchanged, shares its
            random numbers among the images of a batch, changes the shape of an image, or fails on an image.

    Examples:
        >>> import torch
        >>> from kornia.augmentation import RandomSolarize
        >>> content = Augmented(RandomSolarize(p=1.0))
        >>> image = torch.rand(2, 3, 48, 64)
        >>> first, again = (content(image, torch.Generator().manual_seed(0)) for _ in range(2))
        >>> first.shape, torch.equal(first, again), torch.equal(first, image)
        (torch.Size([2, 3, 48, 64]), True, False)
    """

    def __init__(self, augmentation: AugmentationBase2D) -> None:
        self.augmentation = augmentation
        self.name = type(augmentation).__name__
        if not isinstance(augmentation, AugmentationBase2D):
            raise ValueError(
                f"augmentation (={self.name}) must be one 2D image augmentation of kornia.augmentation, such as "
                "RandomMotionBlur"
            )
        for name in ("p", "p_batch"):
            value = getattr(augmentation, name)
            if value != 1:
                raise ValueError(
                    f"augmentation.{name} (={value}) must be 1, or {self.name} leaves some images unchanged"
                )
        generator = Generator().manual_seed(0)
        probe = torch.rand(_PROBE, generator=generator)
        try:
            augmented = self._augment(probe, generator)
        except Exception as error:  # Kornia raises errors of any type, and checks some arguments only when called
            raise ValueError(f"augmentation (={self.name}) fails on an image of {_size(probe)} px: {error}") from error
        self._check_size(probe, augmented)
        if augmentation.same_on_batch:
            raise ValueError(
                f"augmentation.same_on_batch (=True) must be False, or {self.name} changes all images of a batch alike"
            )

    def __call__(self, image: Tensor, generator: Generator) -> Tensor:
        """See `fae.corruption.part.Content`; the border of an image with a side below 64 px is repeated up to 64 px."""
        height, width = image.shape[-2:]
        missing = [max(0, _SMALLEST - side) for side in (width, height)]
        left, top = (pixels // 2 for pixels in missing)
        padding = (left, missing[0] - left, top, missing[1] - top)
        large = F.pad(image, padding, mode="replicate") if any(missing) else image
        augmented = self._augment(large, generator)
        self._check_size(large, augmented)
        augmented = augmented[..., top : top + height, left : left + width]
        augmented = torch.where(augmented.isnan(), image, augmented).clamp(0, 1)
        return desaturate(augmented, 1 - is_grey(image).float())

    def _augment(self, image: Tensor, generator: Generator) -> Tensor:
        seed = int(torch.randint(2**63 - 1, (), generator=generator))
        # Kornia stores its random numbers and parts of the batch in the object; a copy keeps them out of ours.
        augmentation = copy.copy(self.augmentation)
        with torch.no_grad(), _seeded(seed, image.device):
            augmented: Tensor = augmentation(image)
        return augmented.to(image.dtype)

    def _check_size(self, image: Tensor, augmented: Tensor) -> None:
        if augmented.shape != image.shape:
            raise ValueError(
                f"augmentation (={self.name}) makes images of {_size(augmented)} px from images of {_size(image)} px; "
                "choose one that keeps the size"
            )


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global generators of the CPU and of a device, and restore their state at the end.

    Kornia draws from PyTorch's global generators and accepts no other generator.
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed every device
        for cuda in devices:
            with torch.cuda.device(cuda):
                torch.cuda.manual_seed(seed)
        yield


def _size(image: Tensor) -> str:
    return " × ".join(map(str, image.shape[-2:]))
