from collections.abc import Sequence

import torch
from torch import Tensor

from fae.types import Residual


def compared(residual: Residual, image: Tensor, reconstruction: Tensor, roi: Tensor | None) -> Tensor:
    """Compare two `(B, C, H, W)` within regions of interest `(B, 1, H, W)` bool, which are passed only if given."""
    return residual(image, reconstruction) if roi is None else residual(image, reconstruction, roi)


def by_level(
    residual: Residual, point: Tensor, reconstruction: Tensor, channels: Sequence[int], roi: Tensor | None = None
) -> Tensor:
    """Compare points with their reconstructions, each level for itself.

    Args:
        residual: function that compares the channels of one level.
        point: `(B, C, h, w)` points, images or features.
        reconstruction: `(B, C, h, w)` reconstructions.
        channels: number of channels of each of the L levels; their sum is C.
        roi: `(B, 1, h, w)` bool, False on cells that do not count; None if all do.

    Returns:
        `(B, L, h, w)` float32 residuals; higher means more anomalous.
    """
    pairs = zip(torch.split(point, list(channels), 1), torch.split(reconstruction, list(channels), 1), strict=True)
    return torch.cat([compared(residual, *pair, roi) for pair in pairs], dim=1).float()
