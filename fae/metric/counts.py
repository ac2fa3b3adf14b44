"""Pixel metrics from counts of scores by the leading bits of their float32 pattern, each with its own error bound."""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fae.metric.aupro import check_limit

BITS = 20
"""Sign, exponent and eleven bits of the mantissa: scores within 0.05 % of each other may share a bin."""


class Bounded(NamedTuple):
    """A metric from counts, and how far the exact one can be from it."""

    value: float
    error: float


class Curve(NamedTuple):
    """What share of a thing is found at which share of false alarms, from the highest threshold down."""

    false_positive_rate: NDArray[np.float64]
    found: NDArray[np.float64]


def bins(score: Tensor, bits: int = BITS) -> Tensor:
    """Which bin a score falls into; the order of bins is the order of scores, whatever their scale.

    Args:
        score: float32 of any shape and sign, infinities included.
        bits: how many leading bits tell scores apart, 10 to 24.

    Returns:
        same shape, int32 in [0, 2**bits).
    """
    pattern = (score + 0.0).view(torch.int32)  # adding zero makes one of the two zeros
    # Negative numbers are stored as sign and magnitude: the larger the magnitude, the lower the bin.
    pattern ^= (pattern >> 31).bitwise_and_(0x7FFFFFFF)
    return pattern.bitwise_right_shift_(32 - bits).add_(1 << (bits - 1))


def lower_edge(index: int, bits: int = BITS) -> float:
    """The smallest score of a bin that holds any."""
    ordered = (index - (1 << (bits - 1))) << (32 - bits)
    pattern = ordered if ordered >= 0 else (-ordered - 1) - (1 << 31)
    edge = float(np.array(pattern, dtype=np.int32).view(np.float32))
    return -math.inf if math.isnan(edge) else edge  # the bin of -inf reaches down among the NaNs


class Counts(NamedTuple):
    """The bins that hold anything, from the highest scores down."""

    bin: NDArray[np.int64]
    normal: NDArray[np.int64]
    anomalous: NDArray[np.int64]
    region: NDArray[np.float64]
    """Anomalous pixels, each weighted by one over the area of its region; zeros where nobody asked for regions."""

    @classmethod
    def of(
        cls, normal: NDArray[np.int64], anomalous: NDArray[np.int64], region: NDArray[np.float64] | None = None
    ) -> "Counts":
        """Keep what is not empty of histograms `(2**bits,)`."""
        kept = np.flatnonzero(normal + anomalous)[::-1]
        weight = np.zeros(len(kept)) if region is None else region[kept]
        return cls(kept, normal[kept], anomalous[kept], weight)

    @property
    def defined(self) -> bool:
        """Both classes are there."""
        return bool(self.normal.sum() > 0 and self.anomalous.sum() > 0)


_UNDEFINED = Bounded(float("nan"), float("nan"))


def roc(counts: Counts) -> Curve:
    """Share of anomalous pixels found against false positive rate; both classes must be there."""
    return _curve(counts, counts.anomalous)


def pro(counts: Counts) -> Curve:
    """Share of each region found, averaged over regions, against false positive rate; both classes must be there."""
    return _curve(counts, counts.region)


def _curve(counts: Counts, found: NDArray[np.generic]) -> Curve:
    rate, share = (np.concatenate([[0.0], c.cumsum() / c.sum()]) for c in (counts.normal, found))
    return Curve(rate, share)


def auroc(counts: Counts) -> Bounded:
    """P(anomalous > normal) + ½ P(same bin); wrong by half the pairs that share a bin at most."""
    return _area(roc(counts), 1.0) if counts.defined else _UNDEFINED


def aupro(counts: Counts, limit: float) -> Bounded:
    """Area under the per-region overlap curve up to a false positive rate, over that rate; see `fae.metric.aupro`.

    Undefined where no regions were counted.

    Raises:
        ValueError: `limit` lies outside (0, 1].
    """
    check_limit(limit)
    return _area(pro(counts), limit) if counts.defined and counts.region.any() else _UNDEFINED


def _area(curve: Curve, limit: float) -> Bounded:
    """Straight between two bins, where the exact curve can rise at once, or only at the end."""
    rate, found = curve
    last = int(np.searchsorted(rate, limit, side="right")) - 1  # the bins up to here lie below the limit as a whole
    step, rise = np.diff(rate[: last + 1]), np.diff(found[: last + 1])
    area = (step * (found[:last] + rise / 2)).sum()
    error = (step * rise / 2).sum()
    if last + 1 < len(rate):
        part = limit - rate[last]
        ends = found[last + 1] - found[last]
        slope = ends / (rate[last + 1] - rate[last])
        area += part * (found[last] + slope * part / 2)
        error += part * max(ends - slope * part / 2, slope * part / 2)
    return Bounded(float(area / limit), float(error / limit))


def average_precision(counts: Counts) -> Bounded:
    """Each bin one threshold; within it precision lies between all and none of its other scores above."""
    if not counts.defined:
        return _UNDEFINED
    found, alarms = counts.anomalous.cumsum(), counts.normal.cumsum()
    before = found - counts.anomalous
    least = (before + 1) / (before + 1 + alarms)
    most = found / np.maximum(found + alarms - counts.normal, 1)
    share = counts.anomalous / found[-1]
    value = (share * found / np.maximum(found + alarms, 1)).sum()
    return Bounded(float(value), float(max((share * most).sum() - value, value - (share * least).sum())))


def best_f1(counts: Counts) -> tuple[Bounded, int | None]:
    """The best of the bins' edges, which are thresholds like any other, and its bin."""
    if not counts.defined:
        return _UNDEFINED, None
    found, alarms = counts.anomalous.cumsum(), counts.normal.cumsum()
    f1 = 2 * found / (found + alarms + found[-1])
    most = 2 * found / (found + alarms - counts.normal + found[-1])
    best = int(f1.argmax())
    return Bounded(float(f1[best]), float(most.max() - f1[best])), int(counts.bin[best])
