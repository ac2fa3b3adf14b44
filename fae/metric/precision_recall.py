from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fae.metric.ranks import Ranks


class BestF1(NamedTuple):
    """The highest F1 that any threshold reaches, and the highest threshold that reaches it."""

    value: float
    threshold: float
    """Scores of at least this much count as anomalous."""


def average_precision(normal: NDArray[np.float32], anomalous: NDArray[np.float32]) -> float | None:
    """Exact average precision: the sum of precision × step in recall over all thresholds, without interpolation.

    Args:
        normal: `(N,)` scores of the negatives, any finite range.
        anomalous: `(P,)` scores of the positives.

    Returns:
        a fraction in [0, 1], or None where a class is empty.
    """
    return average_precision_of(Ranks.of(normal, anomalous))


def average_precision_of(ranks: Ranks) -> float | None:
    """The same from ranks."""
    if not ranks.defined:
        return None
    _, found, alarms = _thresholds(ranks)
    step = np.diff(found, prepend=0)
    return float((step * found / (found + alarms)).sum() / len(ranks.score))


def best_f1(normal: NDArray[np.float32], anomalous: NDArray[np.float32]) -> BestF1 | None:
    """Exact best F1 = 2·TP / (2·TP + FP + FN). An oracle's figure: it chooses the threshold by the labels.

    Args:
        normal: `(N,)` scores of the negatives, any finite range.
        anomalous: `(P,)` scores of the positives.

    Returns:
        value in [0, 1] and threshold, or None where a class is empty.
    """
    return best_f1_of(Ranks.of(normal, anomalous))


def best_f1_of(ranks: Ranks) -> BestF1 | None:
    """The same from ranks."""
    if not ranks.defined:
        return None
    threshold, found, alarms = _thresholds(ranks)
    f1 = 2 * found / (found + alarms + len(ranks.score))
    best = int(f1.argmax())
    return BestF1(float(f1[best]), float(threshold[best]))


def _thresholds(ranks: Ranks) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """The distinct scores of positives, descending, with true and false positives at and above each.

    Thresholds between them add false positives alone: neither average precision nor the best F1 can come from there.
    """
    last = np.flatnonzero(np.append(np.diff(ranks.score) != 0, True))
    return ranks.score[last], last + 1, ranks.not_below[last]
