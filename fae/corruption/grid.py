"""Sampling an image elsewhere; float32 throughout, because bf16 `grid_sample` is broken on the CPU."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor


@lru_cache(maxsize=16)  # the same few sizes, step after step
def identity(height: int, width: int, device: torch.device) -> Tensor:
    """The sampling grid `(1, H, W, 2)` that leaves an image as it is; not to be changed in place."""
    eye = torch.eye(2, 3, device=device).unsqueeze(0)
    return F.affine_grid(eye, [1, 1, height, width], align_corners=False)


def sample(image: Tensor, grid: Tensor) -> Tensor:
    """Bilinear samples, reflected at the border: `(B, C, h, w)` at `(B, H, W, 2)` gives `(B, C, H, W)`."""
    return F.grid_sample(image.float(), grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def move(image: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Shift every image of `(B, C, H, W)` by whole pixels, around the border; exact.

    Args:
        image: the batch.
        rows: `(B,)` int64 on the CPU, downwards.
        columns: `(B,)` int64 on the CPU, to the right.
    """
    height, width = image.shape[-2:]
    device = image.device
    y = ((torch.arange(height) - rows.view(-1, 1)) % height).to(device, non_blocking=True)
    x = ((torch.arange(width) - columns.view(-1, 1)) % width).to(device, non_blocking=True)
    moved = image.gather(2, y.view(-1, 1, height, 1).expand_as(image))
    return moved.gather(3, x.view(-1, 1, 1, width).expand_as(image))
