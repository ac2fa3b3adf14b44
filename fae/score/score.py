from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from fae.score.average import check_exponent, damping, damping_by_others
from fae.score.rule.total import Total
from fae.score.smoothing import check_smoothing, smooth
from fae.types import ImageScore, Residual, Rule

_LEAST_WEIGHT = 0.1


class Score:
    """Turns reconstructions into anomaly maps and image scores, Bauer et al. 2022, eqs. 2, 3, 13 and 14.

    A score needs no network: every argument can change without retraining. If t > 0, `calibrate` learns `damping`,
    `(1, 1, H, W)`. It also learns the `level` of the image score.

    Args:
        residual: function that compares images with their reconstructions.
        image_score: function that reduces a map to one number.
        k: odd width of the averaging filter, in pixels of the image.
        n: number of passes of the filter, >= 0.
        t: exponent of the validation-average damping, >= 0; 0 switches it off, as the paper does for textures.
        rule: function that makes one map of the levels of a space and of its head.

    Raises:
        ValueError: an argument is outside its domain.

    Examples:
        >>> from fae.score.image_score import Max
        >>> from fae.score.residual.squared import Squared
        >>> score = Score(Squared(), Max(), k=3, n=1)
        >>> image, reconstruction = torch.zeros(1, 3, 5, 5), torch.zeros(1, 3, 5, 5)
        >>> image[..., 2, 2] = 0.9
        >>> anomaly_map = score.anomaly_map(score.residual(image, reconstruction))
        >>> score.image_score(anomaly_map)
        tensor([0.0900])
    """

    def __init__(
        self,
        residual: Residual,
        image_score: ImageScore,
        k: int = 5,
        n: int = 2,
        t: float = 0.0,
        rule: Rule | None = None,
    ) -> None:
        check_smoothing(k, n)
        check_exponent(t)
        self.residual = residual
        self.image_score = image_score
        self.k, self.n, self.t = k, n, t
        self.rule: Rule = Total() if rule is None else rule
        self.damping: Tensor | None = None

    def calibrate_rule(self, levels: Tensor, names: Sequence[str], roi: Tensor | None = None) -> None:
        """Let the rule learn from the cells of held-out normal images that count.

        Args:
            levels: `(N, L, h, w)` levels of the images.
            names: the names of the L levels.
            roi: `(N, 1, H, W)` bool, the regions of interest of the images; None if all counts.
        """
        if roi is not None:
            cells = _cells(roi, levels.shape[-2:]).expand_as(levels[:, :1])
            levels = levels.transpose(0, 1)[:, cells[:, 0]].view(1, levels.shape[1], 1, -1)
        self.rule.calibrate(levels, names)

    def combined(self, levels: Tensor, size: Sequence[int], roi: Tensor | None = None) -> Tensor:
        """Make one residual of the levels, and bring it to the size of the image.

        Args:
            levels: `(B, L, h, w)` residuals of each level, and the head's evidence; the rule must be calibrated.
            size: `(height, width)` of the image in pixels.
            roi: `(B, 1, height, width)` bool, the regions of interest; None if all counts.

        Returns:
            `(B, 1, height, width)` residuals, arbitrary outside a region of interest.
        """
        return _at_size(self.rule(levels), size, roi)

    def smoothed(self, level: Tensor, size: Sequence[int], roi: Tensor | None = None) -> Tensor:
        """Smooth a level `(B, 1, h, w)` alone, at the size of the image: `(B, 1, height, width)`."""
        return smooth(_at_size(level, size, roi), self.k, self.n, roi)

    def calibrate(self, residual: Tensor, content: Tensor, roi: Tensor | None = None) -> Tensor:
        """Learn what normal looks like from held-out normal images.

        Args:
            residual: `(N, 1, H, W)` residuals of the held-out images.
            content: bool tensor with the shape of `residual`; False on pixels that are not judged.
            roi: the content again, if the images have regions of interest; None smooths over the whole images.

        Returns:
            `(N, 1, H, W)` anomaly maps of the held-out images, each damped by the average of the other images.
        """
        maps = smooth(residual, self.k, self.n, roi)
        return maps * self.learn(maps, content, roi) * content

    def learn(self, smoothed: Tensor, content: Tensor, roi: Tensor | None = None) -> Tensor:
        """Learn what `calibrate` learns, from maps that are already smoothed.

        Args:
            smoothed: `(N, 1, H, W)` smoothed residuals of the held-out images.
            content: bool tensor with the shape of `smoothed`; False on pixels that are not judged.
            roi: the content again, if the images have regions of interest.

        Returns:
            `(N, 1, H, W)` factors of eq. 14, for each held-out image from the average of the other images. If t = 0, a
            single one of shape `(1, 1, 1, 1)` serves all images.
        """
        by_others = torch.ones(1, 1, 1, 1)
        if self.t > 0:
            self.damping = damping(smoothed, self.t, roi)
            by_others = damping_by_others(smoothed, self.t, roi)
        calibrate_image_score(self.image_score, smoothed * by_others, content)
        return by_others

    def anomaly_map(self, residual: Tensor, roi: Tensor | None = None) -> Tensor:
        """Smooth and damp residuals.

        Args:
            residual: `(B, 1, H, W)` residuals.
            roi: bool, `(B, 1, H, W)` or `(1, 1, H, W)`, the regions of interest; None if all counts.

        Returns:
            `(B, 1, H, W)` anomaly maps; higher means more anomalous, and 0 outside a region of interest.

        Raises:
            RuntimeError: t > 0 and `calibrate` has not run.
        """
        maps = smooth(residual, self.k, self.n, roi)
        if self.t > 0:
            if self.damping is None:
                raise RuntimeError(f"t (={self.t}) needs calibrate(residuals of normal images) first")
            maps = maps * self.damping
        return maps


def _cells(roi: Tensor, size: Sequence[int]) -> Tensor:
    """Return which of `(h, w)` cells hold a pixel of regions `(B, 1, H, W)` bool, `(B, 1, h, w)` bool."""
    height, width = size
    return roi if roi.shape[-2:] == (height, width) else F.adaptive_avg_pool2d(roi.float(), (height, width)) > 0


def _at_size(residual: Tensor, size: Sequence[int], roi: Tensor | None) -> Tensor:
    """Interpolate residuals of cells, between those cells alone that hold a pixel of the region of interest."""
    if residual.shape[-2:] == tuple(size):
        return residual
    if roi is None:
        return _interpolated(residual, size)
    cells = _cells(roi, residual.shape[-2:])
    # A pixel of the region lies in such a cell, whose weight is a quarter at least.
    return _interpolated(residual.where(cells, 0), size) / _interpolated(cells.float(), size).clamp_min(_LEAST_WEIGHT)


def _interpolated(residual: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(residual, tuple(size), mode="bilinear", align_corners=False)


def calibrate_image_score(score: ImageScore, anomaly_map: Tensor, content: Tensor) -> None:
    """Let an image score learn from the judged pixels of the maps of held-out normal images.

    Args:
        score: image score that learns.
        anomaly_map: `(N, 1, H, W)` maps of the held-out normal images.
        content: bool tensor with the shape of `anomaly_map`; False on pixels that are not judged.
    """
    pixels = anomaly_map.numpy()[content.numpy()]  # torch would index every pixel by four numbers
    score.calibrate(torch.from_numpy(pixels).view(1, 1, 1, -1))


def image_scores(score: ImageScore, anomaly_map: Tensor, content: Tensor) -> Tensor:
    """Score every image by the part of its map that is judged.

    Args:
        score: image score, calibrated if it needs to be.
        anomaly_map: `(B, 1, H, W)` maps.
        content: bool tensor with the shape of `anomaly_map`; False on pixels that are not judged.

    Returns:
        `(B,)` scores; higher means more anomalous.
    """
    if content.all():
        return score(anomaly_map)
    return torch.cat([score(one[inside].view(1, 1, 1, -1)) for one, inside in zip(anomaly_map, content, strict=True)])
