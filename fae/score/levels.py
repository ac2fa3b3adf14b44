from collections.abc import Sequence

import torch
from torch import Tensor

from fae.types import Residual


def by_level(residual: Residual, point: Tensor, reconstruction: Tensor, channels: Sequence[int]) -> Tensor:
    """Compare points with their reconstructions, each level for itself.

    Args:
        residual: function that compares the channels of one level.
        point: `(B, C, h, w)` points, images or features.
        reconstruction: `(B, C, h, w)` reconstructions.
        channels: number of channels of each of the L levels; their sum is C.

    Returns:
        `(B, L, h, w)` float32 residuals; higher means more anomalous.
    """
    pairs = zip(torch.split(point, list(channels), 1), torch.split(reconstruction, list(channels), 1), strict=True)
    return torch.cat([residual(*pair) for pair in pairs], dim=1).float()
