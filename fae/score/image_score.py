"""Ways to reduce an anomaly map to one number per image; see `fae.types.ImageScore`."""

import math

import torch
from torch import Tensor

from fae.score.median import median
from fae.types import ImageScore


class Sum:
    """Sum over the pixels, Bauer et al. 2022, section 3.1; it hardly reacts to faint specks."""

    name = "sum"
    level: float | None = None

    def calibrate(self, anomaly_map: Tensor) -> None:
        """Nothing to learn."""

    def __call__(self, anomaly_map: Tensor) -> Tensor:
        """`(B, 1, H, W)` to `(B,)`."""
        return anomaly_map.flatten(1).sum(dim=1)


class Max:
    """The highest pixel; the area of a defect does not count."""

    name = "max"
    level: float | None = None

    def calibrate(self, anomaly_map: Tensor) -> None:
        """Nothing to learn."""

    def __call__(self, anomaly_map: Tensor) -> Tensor:
        """`(B, 1, H, W)` to `(B,)`."""
        return anomaly_map.flatten(1).amax(dim=1)


class Top:
    """Mean of the highest pixels.

    Args:
        fraction: share of the pixels that are averaged, in (0, 1]; at least one pixel is taken.

    Raises:
        ValueError: `fraction` lies outside (0, 1].
    """

    name = "top"
    level: float | None = None

    def __init__(self, fraction: float = 0.01) -> None:
        if not 0 < fraction <= 1:
            raise ValueError(f"fraction (={fraction}) must lie in (0, 1]; 1 is the mean of the map")
        self.fraction = fraction

    def calibrate(self, anomaly_map: Tensor) -> None:
        """Nothing to learn."""

    def __call__(self, anomaly_map: Tensor) -> Tensor:
        """`(B, 1, H, W)` to `(B,)`."""
        pixels = anomaly_map.flatten(1)
        return pixels.topk(math.ceil(self.fraction * pixels.shape[1]), dim=1).values.mean(dim=1)


class Contrast:
    """Mean of the highest pixels divided by the map's median: how far a defect stands out in its own image.

    This score is ours, not the paper's. The ordinary error depends on the texture of an image, so it differs between
    images and hides faint specks from every score that compares unscaled maps. Large defects still raise the highest
    one per cent.

    Args:
        fraction: share of the pixels that count as highest, in (0, 1]; at least one pixel is taken.

    Raises:
        ValueError: `fraction` lies outside (0, 1].
    """

    name = "contrast"
    level: float | None = None

    def __init__(self, fraction: float = 0.01) -> None:
        self.top = Top(fraction)

    def calibrate(self, anomaly_map: Tensor) -> None:
        """Nothing to learn."""

    def __call__(self, anomaly_map: Tensor) -> Tensor:
        """`(B, 1, H, W)` to `(B,)`; values are about 1 or more, and 0 for a map of zeros."""
        return self.top(anomaly_map) / median(anomaly_map.flatten(1)).clamp_min(1e-12)


class Excess:
    """Sum of the excess of pixels over a quantile of held-out normal maps; small, faint and large defects all count.

    This score is ours, not the paper's: the ordinary error, which hides defects from the plain sum, lies below the
    quantile and does not count.

    Args:
        quantile: quantile of all pixels of the validation maps, in (0, 1].

    Raises:
        ValueError: `quantile` lies outside (0, 1].
    """

    name = "excess"
    level: float | None = None

    def __init__(self, quantile: float = 0.999) -> None:
        if not 0 < quantile <= 1:
            raise ValueError(f"quantile (={quantile}) must lie in (0, 1]; 1 is the largest normal pixel")
        self.quantile = quantile

    def calibrate(self, anomaly_map: Tensor) -> None:
        """Find the level from maps `(N, 1, H, W)` of held-out normal images."""
        pixels = anomaly_map.flatten()
        # kthvalue, because torch.quantile refuses more than 16 million values.
        self.level = float(pixels.kthvalue(max(1, math.ceil(self.quantile * pixels.numel()))).values)

    def __call__(self, anomaly_map: Tensor) -> Tensor:
        """`(B, 1, H, W)` to `(B,)`.

        Raises:
            RuntimeError: `calibrate` has not run.
        """
        if self.level is None:
            raise RuntimeError("Excess needs calibrate(maps of normal images) before it can score")
        return torch.relu(anomaly_map - self.level).flatten(1).sum(dim=1)


IMAGE_SCORES: tuple[type[ImageScore], ...] = (Sum, Max, Top, Contrast, Excess)
"""The scores that every evaluation reports beside the configured image score, each with its default arguments."""
