"""Progressive training: the crop grows over training at constant resolution (paper, section 3.2)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Generator, Tensor

Size = tuple[int, int]

LEAST = 8
"""The fewest pixels that a side of an image may have."""
_DEFAULT_FRACTIONS = (0.5, 0.75, 1.0)


def as_size(name: str, value: int | Sequence[int]) -> Size:
    """Read a size in pixels that is given as one number, for squares, or as `[height, width]`.

    Raises:
        ValueError: `value` has another form, or is not positive.
    """
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or min(pair) < 1:
        raise ValueError(f"{name} (={value}) must be a positive number of pixels or [height, width]")
    return int(pair[0]), int(pair[1])


def large_enough(size: Sequence[int]) -> Size:
    """Return the `(height, width)` of images in pixels.

    Raises:
        ValueError: a side is shorter than eight pixels.
    """
    height, width = size
    if min(height, width) < LEAST:
        raise ValueError(
            f"the images have {height}×{width} pixels, but a network needs {LEAST} on each side; use larger images, or "
            "raise data.image_size"
        )
    return height, width


def crop_stages(sizes: Sequence[int | Sequence[int]] | None, image_size: Size) -> list[Size]:
    """Return the crop size `(height, width)` of each stage.

    The paper leaves the schedule open. Here the crops are by default one half, three quarters and all of the image,
    because these fractions work at every image size.

    Args:
        sizes: crop sizes that never shrink, in pixels, each a number or `[height, width]`; None takes the default.
        image_size: `(height, width)` of the images, in pixels.

    Raises:
        ValueError: a crop exceeds the image, or the sizes shrink.
    """
    if sizes is None:
        return [(max(1, round(image_size[0] * f)), max(1, round(image_size[1] * f))) for f in _DEFAULT_FRACTIONS]
    stages = [as_size("data.crop_sizes", size) for size in sizes]
    if not stages:
        raise ValueError("data.crop_sizes (=[]) must hold at least one size; null takes the default sizes")
    for stage in stages:
        if stage[0] > image_size[0] or stage[1] > image_size[1]:
            raise ValueError(
                f"data.crop_sizes (={list(sizes)}): the crop {stage[0]}×{stage[1]} exceeds the images, "
                f"{image_size[0]}×{image_size[1]}; use smaller crops, or null for fractions of the image"
            )
    if any(b[0] < a[0] or b[1] < a[1] for a, b in pairwise(stages)):
        raise ValueError(f"data.crop_sizes (={list(sizes)}) must not shrink over training; sort the sizes")
    return stages


def crop_size(stages: Sequence[Size], step: int, max_steps: int) -> Size:
    """Return the crop size at a step; all stages have an equal share of the training, and crops never shrink."""
    return stages[min(len(stages) - 1, step * len(stages) // max(1, max_steps))]


def random_crop(image: Tensor, size: Size, generator: Generator) -> Tensor:
    """Cut a random window out of every image of `(B, C, H, W)`, and return the windows, `(B, C, *size)`."""
    batch, _, height, width = image.shape
    if (height, width) == size:
        return image
    top = torch.randint(height - size[0] + 1, (batch, 1), generator=generator)
    left = torch.randint(width - size[1] + 1, (batch, 1), generator=generator)
    rows = (top + torch.arange(size[0])).to(image.device, non_blocking=True)
    columns = (left + torch.arange(size[1])).to(image.device, non_blocking=True)
    which = torch.arange(batch, device=image.device).view(-1, 1, 1)
    return image.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
