"""Measures of every k, n and t on damaged held-out images and on test images, from one pass of the network."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fae.metric.aupro import LIMITS
from fae.metric.auroc import auroc
from fae.metric.streaming import StreamingPixelMetrics
from fae.score.average import check_exponent
from fae.score.score import Score, image_scores
from fae.score.smoothing import check_smoothing, smooth
from fae.types import ImageScore, Residual

_AUPRO = f"aupro_{LIMITS[0]}"
_CHUNK = 16  # images


class Setting(NamedTuple):
    """One choice of the parameters of eqs. 3 and 14."""

    k: int
    n: int
    t: float


class Labelled(NamedTuple):
    """Residuals whose defects are known."""

    residual: Tensor
    """`(N, 1, H, W)` residuals."""
    mask: Tensor
    """`(N, 1, H, W)` bool; True marks damage or a defect."""
    judged: Tensor
    """`(N, 1, H, W)` bool; False excludes a pixel."""
    roi: Tensor | None = None
    """`(N, 1, H, W)` bool regions of interest; None if whole images count."""


class Row(NamedTuple):
    """The measures of a setting; each is a fraction, or NaN if a class is missing."""

    k: int
    n: int
    t: float
    val_pixel_auroc: float
    """The pixel AUROC on the damaged held-out images; it needs no real defect."""
    pixel_auroc: float
    aupro: float
    image_auroc: float
    pixel_error: float
    """The largest possible error of both pixel AUROCs, which come from counts."""
    aupro_error: float
    """The largest possible error of the AUPRO, which comes from counts."""

    @property
    def setting(self) -> Setting:
        """The setting that was measured."""
        return Setting(self.k, self.n, self.t)


class Grid:
    """All combinations of k, n and t.

    Args:
        k: odd widths of the filter, in pixels.
        n: numbers of passes, >= 0; at n = 0 the width k has no effect, so only one k is tried.
        t: exponents of the damping, >= 0.

    Raises:
        ValueError: a list is empty, or a value is outside its domain.
    """

    def __init__(self, k: Sequence[int], n: Sequence[int], t: Sequence[float]) -> None:
        for name, values in (("k", k), ("n", n), ("t", t)):
            if not values:
                raise ValueError(f"grid.{name} (={list(values)}) must hold at least one value")
        for width in k:
            for passes in n:
                check_smoothing(width, passes)
        for exponent in t:
            check_exponent(exponent)
        self.k, self.n, self.t = sorted(set(k)), sorted(set(n)), sorted(set(t))

    def __len__(self) -> int:
        return len(self.k) * len(self.n) * len(self.t)

    def smoothed(
        self, residuals: Sequence[Tensor], rois: Sequence[Tensor | None]
    ) -> Iterator[tuple[int, int, list[Tensor]]]:
        """Yield every k and n with the smoothed residuals; each n continues from the passes already made."""
        for k in self.k:
            maps, done = list(residuals), 0
            for n in self.n:
                if n == 0 and k != self.k[0]:
                    continue
                maps, done = [smooth(one, k, n - done, roi) for one, roi in zip(maps, rois, strict=True)], n
                yield k, n, maps

    def sweep(
        self,
        residual: Residual,
        image_score: ImageScore,
        held_out: Labelled,
        damaged: Labelled | None,
        test: Labelled,
        content: Tensor,
        label: NDArray[np.bool_],
    ) -> list[Row]:
        """Score every combination.

        Args:
            residual: function that made the residuals.
            image_score: image score, which is calibrated here for each combination.
            held_out: residuals of the held-out normal images, not smoothed; its mask is False everywhere.
            damaged: residuals of the held-out images with seeded damage; None leaves `val_pixel_auroc` undefined.
            test: residuals of the test images, not smoothed.
            content: `(N, 1, H, W)` bool; False on pixels of a test image that are not judged.
            label: `(N,)` bool; True marks an anomalous test image.
        """
        rows = []
        all_known = [held_out, damaged or Labelled(*(part[:0] for part in test[:3])), test]
        residuals, rois = [known.residual for known in all_known], [known.roi for known in all_known]
        for k, n, (normal, hurt, maps) in self.smoothed(residuals, rois):
            for t in self.t:
                score = Score(residual, image_score, k, n, t)
                by_others = score.learn(normal, held_out.judged, held_out.roi)
                found = StreamingPixelMetrics(regions=True)
                scores = []
                for chunk, inside in zip(
                    _count(found, maps, score.damping, test), torch.split(content, _CHUNK), strict=True
                ):
                    scores.append(image_scores(image_score, chunk, inside))
                values = torch.cat([torch.zeros(0), *scores]).numpy()
                by_image = auroc(values[~label], values[label])
                by_damage, damage_error = float("nan"), 0.0
                if damaged is not None:
                    of_damage = StreamingPixelMetrics()
                    copies = len(hurt) // len(normal)
                    own = by_others.repeat(copies, 1, 1, 1) if t > 0 else None
                    deque(_count(of_damage, hurt, own, damaged), maxlen=0)
                    by_damage, damage_error = (float(of_damage.compute()[name]) for name in ("auroc", "auroc_error"))
                measures = {name: float(value) for name, value in found.compute().items()}
                rows.append(
                    Row(
                        *(k, n, float(t), by_damage, measures["auroc"], measures[_AUPRO]),
                        float("nan") if by_image is None else by_image,
                        float(np.nanmax([damage_error, measures["auroc_error"]])),
                        measures[f"{_AUPRO}_error"],
                    )
                )
        return rows


def _count(metric: StreamingPixelMetrics, maps: Tensor, factor: Tensor | None, known: Labelled) -> Iterator[Tensor]:
    """Count pixels of a few images at a time, so that they stay in the processor's cache; yield the images' maps."""
    factors = torch.ones(1).expand(maps.shape) if factor is None else factor.expand(maps.shape)
    parts = (maps, factors, known.mask, known.judged)
    for chunk, damped, *rest in zip(*(torch.split(part, _CHUNK) for part in parts), strict=True):
        chunk = chunk if factor is None else chunk * damped
        metric.update(chunk, *rest)
        yield chunk


def best(rows: Sequence[Row], column: str) -> Setting:
    """Return the setting with the highest value in a column.

    If several settings are equal within the error of the counts, the one with the smallest n, then k, then t is chosen.

    Raises:
        ValueError: the column is undefined, because a class is missing.
    """
    defined = [row for row in rows if not np.isnan(getattr(row, column))]
    if not defined:
        raise ValueError(f"no setting can be chosen by {column}: the images hold only one class of pixels")
    highest = max(getattr(row, column) for row in defined)
    precision = max(row.pixel_error for row in defined)
    equal = [row.setting for row in defined if getattr(row, column) >= highest - precision]
    return min(equal, key=lambda setting: (setting.n, setting.k, setting.t))
