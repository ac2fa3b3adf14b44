"""Pixel metrics with error bounds, from counts of scores that are binned by the leading bits of their float32 value."""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fae.metric.aupro import check_limit

BITS = 20
"""The default number of leading bits: sign, exponent and eleven bits of the mantissa.

Scores within 0.05 % of each other may share a bin."""


class Bounded(NamedTuple):
    """A metric from counts, and the most by which the exact metric can differ from it."""

    value: float
    error: float


class Curve(NamedTuple):
    """The share that is found against the false positive rate, from the highest threshold down."""

    false_positive_rate: NDArray[np.float64]
    found: NDArray[np.float64]


def bins(score: Tensor, bits: int = BITS) -> Tensor:
    """Return the bin of each score; bins are in the order of the scores, whatever their scale.

    Args:
        score: float32 scores of any shape and sign; infinities are allowed.
        bits: number of leading bits that tell scores apart, 10 to 24.

    Returns:
        int32 tensor with the shape of `score`, in [0, 2**bits).
    """
    pattern = (score + 0.0).view(torch.int32)  # adding zero turns -0.0 into 0.0
    # Negative numbers are stored as sign and magnitude: the larger the magnitude, the lower the bin.
    pattern ^= (pattern >> 31).bitwise_and_(0x7FFFFFFF)
    return pattern.bitwise_right_shift_(32 - bits).add_(1 << (bits - 1))


def lower_edge(index: int, bits: int = BITS) -> float:
    """Return the smallest score that falls into a bin."""
    ordered = (index - (1 << (bits - 1))) << (32 - bits)
    pattern = ordered if ordered >= 0 else (-ordered - 1) - (1 << 31)
    edge = float(np.array(pattern, dtype=np.int32).view(np.float32))
    return -math.inf if math.isnan(edge) else edge  # the bin of -inf also covers patterns of NaN


class Counts(NamedTuple):
    """The bins that are not empty, from the highest scores down."""

    bin: NDArray[np.int64]
    normal: NDArray[np.int64]
    anomalous: NDArray[np.int64]
    region: NDArray[np.float64]
    """The anomalous pixels, each weighted by one over the area of its region; zeros if regions were not counted."""

    @classmethod
    def of(
        cls, normal: NDArray[np.int64], anomalous: NDArray[np.int64], region: NDArray[np.float64] | None = None
    ) -> "Counts":
        """Keep the bins of histograms `(2**bits,)` that hold a normal or an anomalous pixel."""
        kept = np.flatnonzero(normal + anomalous)[::-1]
        weight = np.zeros(len(kept)) if region is None else region[kept]
        return cls(kept, normal[kept], anomalous[kept], weight)

    @property
    def defined(self) -> bool:
        """Whether both classes are present."""
        return bool(self.normal.sum() > 0 and self.anomalous.sum() > 0)


_UNDEFINED = Bounded(float("nan"), float("nan"))


def roc(counts: Counts) -> Curve:
    """Return the share of anomalous pixels found against the false positive rate; both classes must be present."""
    return _curve(counts, counts.anomalous)


def pro(counts: Counts) -> Curve:
    """Return the share of a region found, averaged over regions, against the false positive rate.

    Both classes must be present.
    """
    return _curve(counts, counts.region)


def _curve(counts: Counts, found: NDArray[np.generic]) -> Curve:
    rate, share = (np.concatenate([[0.0], c.cumsum() / c.sum()]) for c in (counts.normal, found))
    return Curve(rate, share)


def auroc(counts: Counts) -> Bounded:
    """Return P(anomalous > normal) + ½ P(same bin); the error is at most half the share of pairs in one bin."""
    return _area(roc(counts), 1.0) if counts.defined else _UNDEFINED


def aupro(counts: Counts, limit: float) -> Bounded:
    """Return the area under the per-region overlap curve up to a false positive rate, divided by that rate.

    See `fae.metric.aupro`. The value is undefined if no regions were counted.

    Raises:
        ValueError: `limit` lies outside (0, 1].
    """
    check_limit(limit)
    return _area(pro(counts), limit) if counts.defined and counts.region.any() else _UNDEFINED


def _area(curve: Curve, limit: float) -> Bounded:
    """Integrate straight lines between bins; within a bin the exact curve can rise at its start or only at its end."""
    rate, found = curve
    last = int(np.searchsorted(rate, limit, side="right")) - 1  # all bins up to this one lie below the limit
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
    """Take each bin as one threshold.

    The bounds of its precision assume that all, or none, of its normal scores lie above its anomalous ones.
    """
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
    """Return the best F1 over the lower edges of the bins, which are valid thresholds, and the bin that reaches it."""
    if not counts.defined:
        return _UNDEFINED, None
    found, alarms = counts.anomalous.cumsum(), counts.normal.cumsum()
    f1 = 2 * found / (found + alarms + found[-1])
    most = 2 * found / (found + alarms - counts.normal + found[-1])
    best = int(f1.argmax())
    return Bounded(float(f1[best]), float(most.max() - f1[best])), int(counts.bin[best])
