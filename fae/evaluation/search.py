"""Every k, n and t from one pass of the network: what each is worth, on damaged held-out and on test images."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fae.evaluation.measure import Normals
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
    """One choice of what eqs. 3 and 14 leave open."""

    k: int
    n: int
    t: float


class Labelled(NamedTuple):
    """Residuals whose defects are known."""

    residual: Tensor
    """`(N, 1, H, W)`."""
    mask: Tensor
    """Same shape, bool: where the damage or the defect is."""
    judged: Tensor
    """Same shape, bool; False keeps a pixel out."""


class Row(NamedTuple):
    """What a setting is worth; fractions, NaN where a class is missing."""

    k: int
    n: int
    t: float
    val_pixel_auroc: float
    """Of the damaged held-out images: no defect is needed for it."""
    pixel_auroc: float
    aupro: float
    image_auroc: float
    pixel_error: float
    """By how much the AUROCs of pixels can be off, as they come from counts; and the AUPRO, below."""
    aupro_error: float

    @property
    def setting(self) -> Setting:
        """What was set."""
        return Setting(self.k, self.n, self.t)


class Grid:
    """All combinations of k, n and t.

    Args:
        k: widths of the filter, odd.
        n: numbers of passes; with none, k changes nothing, and one k stands for all.
        t: exponents of the damping.

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

    def smoothed(self, *residuals: Tensor) -> Iterator[tuple[int, int, list[Tensor]]]:
        """Every k and n with the smoothed residuals; a pass goes on from the pass before it."""
        for k in self.k:
            maps, done = list(residuals), 0
            for n in self.n:
                if n == 0 and k != self.k[0]:
                    continue
                maps, done = [smooth(one, k, n - done) for one in maps], n
                yield k, n, maps

    def sweep(
        self,
        residual: Residual,
        image_score: ImageScore,
        held_out: Normals,
        damaged: Labelled | None,
        test: Labelled,
        content: Tensor,
        label: NDArray[np.bool_],
    ) -> list[Row]:
        """Score every combination.

        Args:
            residual: what the residuals were made with.
            image_score: calibrated here, for each combination.
            held_out: residuals of the held-out normal images, not smoothed.
            damaged: the same images with seeded damage; None leaves `val_pixel_auroc` undefined.
            test: the test images.
            content: like the test images' residuals; False where an image was padded.
            label: `(N,)`, True for an anomalous test image.
        """
        rows = []
        broken = damaged.residual if damaged else test.residual[:0]
        for k, n, (normal, hurt, maps) in self.smoothed(held_out.anomaly_map, broken, test.residual):
            for t in self.t:
                score = Score(residual, image_score, k, n, t)
                by_others = score.learn(normal, held_out.content)
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
    """Count pixels a few images at a time, which stay in the processor's cache; yields their maps."""
    factors = torch.ones(1).expand(maps.shape) if factor is None else factor.expand(maps.shape)
    parts = (maps, factors, known.mask, known.judged)
    for chunk, damped, *rest in zip(*(torch.split(part, _CHUNK) for part in parts), strict=True):
        chunk = chunk if factor is None else chunk * damped
        metric.update(chunk, *rest)
        yield chunk


def best(rows: Sequence[Row], column: str) -> Setting:
    """The setting that is highest in a column; of those within the counts' precision the one that does least.

    Raises:
        ValueError: the column is undefined, as a class is missing.
    """
    defined = [row for row in rows if not np.isnan(getattr(row, column))]
    if not defined:
        raise ValueError(f"no setting can be chosen by {column}: the images hold one class of pixels alone")
    highest = max(getattr(row, column) for row in defined)
    precision = max(row.pixel_error for row in defined)
    equal = [row.setting for row in defined if getattr(row, column) >= highest - precision]
    return min(equal, key=lambda setting: (setting.n, setting.k, setting.t))
