"""Sampling an image at other places, in float32 throughout, because bf16 `grid_sample` is broken on the CPU."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor


@lru_cache(maxsize=16)  # training steps use only a few sizes
def identity(height: int, width: int, device: torch.device) -> Tensor:
    """Return the sampling grid `(1, H, W, 2)` that keeps an image unchanged; do not change the grid in place."""
    eye = torch.eye(2, 3, device=device).unsqueeze(0)
    return F.affine_grid(eye, [1, 1, height, width], align_corners=False)


def sample(image: Tensor, grid: Tensor) -> Tensor:
    """Sample an image bilinearly, with reflection at the border.

    An image `(B, C, h, w)` and a grid `(B, H, W, 2)` give `(B, C, H, W)`.
    """
    return F.grid_sample(image.float(), grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def move(image: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Shift every image by whole pixels, without interpolation; pixels wrap around at the border.

    Args:
        image: `(B, C, H, W)` batch of images.
        rows: `(B,)` int64 shifts downwards, in pixels, on the CPU.
        columns: `(B,)` int64 shifts to the right, in pixels, on the CPU.
    """
    height, width = image.shape[-2:]
    device = image.device
    y = ((torch.arange(height) - rows.view(-1, 1)) % height).to(device, non_blocking=True)
    x = ((torch.arange(width) - columns.view(-1, 1)) % width).to(device, non_blocking=True)
    moved = image.gather(2, y.view(-1, 1, height, 1).expand_as(image))
    return moved.gather(3, x.view(-1, 1, 1, width).expand_as(image))
