"""Pixel metrics in constant memory: counts of scores by the leading bits of their float32 pattern."""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

BITS = 20
"""Sign, exponent and eleven bits of the mantissa: scores within 0.05 % of each other may share a bin."""

_CHUNK = 1 << 22  # scores at a time, so that the indices take little memory


class Bounded(NamedTuple):
    """A metric from counts, and how far the exact one can be from it."""

    value: float
    error: float


def bins(score: Tensor, bits: int = BITS) -> Tensor:
    """Which bin a score falls into; the order of bins is the order of scores, whatever their scale.

    Args:
        score: float32 of any shape and sign, infinities included.
        bits: how many leading bits tell scores apart, 10 to 24.

    Returns:
        same shape, int64 in [0, 2**bits).
    """
    pattern = (score + 0.0).view(torch.int32)  # adding zero makes one of the two zeros
    ordered = torch.where(pattern >= 0, pattern, -(pattern & 0x7FFFFFFF) - 1)
    return (ordered >> (32 - bits)).long() + (1 << (bits - 1))


def lower_edge(index: int, bits: int = BITS) -> float:
    """The smallest score of a bin that holds any."""
    ordered = (index - (1 << (bits - 1))) << (32 - bits)
    pattern = ordered if ordered >= 0 else (-ordered - 1) - (1 << 31)
    edge = float(np.array(pattern, dtype=np.int32).view(np.float32))
    return -math.inf if math.isnan(edge) else edge  # the bin of -inf reaches down among the NaNs


class StreamingPixelMetrics(Metric):
    """AUROC, average precision and best F1 of any number of pixels, each with its own error bound.

    Keeps two counts a bin, which add up over batches and processes: normal and anomalous pixels. Scores are taken as
    they are: no sigmoid, no range, any sign; what shares a bin counts as tied.

    Args:
        bits: see `bins`; the memory is 32 bytes × 2**bits.

    Raises:
        ValueError: an argument is outside its domain.
    """

    full_state_update = False
    normal: Tensor
    anomalous: Tensor

    def __init__(self, bits: int = BITS) -> None:
        super().__init__()
        if not 10 <= bits <= 24:
            raise ValueError(f"bits (={bits}) must lie in 10 to 24; at 20 the stated errors are around 1e-4")
        self.bits = bits
        for name in ("normal", "anomalous"):
            self.add_state(name, default=torch.zeros(1 << bits, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, score: Tensor, target: Tensor) -> None:
        """Add pixels.

        Args:
            score: finite, any shape; higher means more anomalous.
            target: same shape, bool; True is anomalous.

        Raises:
            ValueError: a score is NaN.
        """
        score, target = score.detach().float().flatten(), target.flatten()
        size = 1 << self.bits
        for start in range(0, len(score), _CHUNK):
            part, true = score[start : start + _CHUNK], target[start : start + _CHUNK]
            if part.isnan().any():
                raise ValueError("a score is NaN; look for the first step whose loss is NaN, too")
            index = bins(part, self.bits)
            self.normal += torch.bincount(index[~true], minlength=size)
            self.anomalous += torch.bincount(index[true], minlength=size)

    def compute(self) -> dict[str, Tensor]:
        """Scalars `auroc`, `average_precision`, `best_f1`, an `…_error` beside each, and `best_f1_threshold`.

        The exact value differs from each by its error at most. NaN where a class is missing.
        """
        counts = Counts.of(*(state.cpu().numpy() for state in (self.normal, self.anomalous)))
        f1, threshold = best_f1(counts)
        measures = {
            "auroc": auroc(counts),
            "average_precision": average_precision(counts),
            "best_f1": f1,
        }
        result = {name: measure.value for name, measure in measures.items()}
        result |= {f"{name}_error": measure.error for name, measure in measures.items()}
        result["best_f1_threshold"] = float("nan") if threshold is None else lower_edge(threshold, self.bits)
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in result.items()}


class Counts(NamedTuple):
    """The bins that hold anything, from the highest scores down."""

    bin: NDArray[np.int64]
    normal: NDArray[np.int64]
    anomalous: NDArray[np.int64]

    @classmethod
    def of(cls, normal: NDArray[np.int64], anomalous: NDArray[np.int64]) -> "Counts":
        """Keep what is not empty of two histograms `(2**bits,)`."""
        kept = np.flatnonzero(normal + anomalous)[::-1]
        return cls(kept, normal[kept], anomalous[kept])

    @property
    def defined(self) -> bool:
        """Both classes are there."""
        return bool(self.normal.sum() > 0 and self.anomalous.sum() > 0)


_UNDEFINED = Bounded(float("nan"), float("nan"))


def auroc(counts: Counts) -> Bounded:
    """P(anomalous > normal) + ½ P(same bin); wrong by half the pairs that share a bin at most."""
    if not counts.defined:
        return _UNDEFINED
    normal, anomalous = counts.normal.astype(np.float64), counts.anomalous.astype(np.float64)
    pairs = normal.sum() * anomalous.sum()
    below = normal.sum() - normal.cumsum()
    shared = (normal * anomalous).sum() / 2
    return Bounded(float(((below * anomalous).sum() + shared) / pairs), float(shared / pairs))


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
