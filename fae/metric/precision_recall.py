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
    """Return the exact average precision: the sum of precision × step in recall over all thresholds, not interpolated.

    Args:
        normal: `(N,)` scores of the negatives, any finite range.
        anomalous: `(P,)` scores of the positives.

    Returns:
        a fraction in [0, 1], or None if a class is empty.
    """
    return average_precision_of(Ranks.of(normal, anomalous))


def average_precision_of(ranks: Ranks) -> float | None:
    """Return the value that `average_precision` returns, from ranks."""
    if not ranks.defined:
        return None
    _, found, alarms = _thresholds(ranks)
    step = np.diff(found, prepend=0)
    return float((step * found / (found + alarms)).sum() / len(ranks.score))


def best_f1(normal: NDArray[np.float32], anomalous: NDArray[np.float32]) -> BestF1 | None:
    """Return the exact best F1 = 2·TP / (2·TP + FP + FN). It is an oracle's figure: the labels choose the threshold.

    Args:
        normal: `(N,)` scores of the negatives, any finite range.
        anomalous: `(P,)` scores of the positives.

    Returns:
        the value in [0, 1] and its threshold, or None if a class is empty.
    """
    return best_f1_of(Ranks.of(normal, anomalous))


def best_f1_of(ranks: Ranks) -> BestF1 | None:
    """Return the value and threshold that `best_f1` returns, from ranks."""
    if not ranks.defined:
        return None
    threshold, found, alarms = _thresholds(ranks)
    f1 = 2 * found / (found + alarms + len(ranks.score))
    best = int(f1.argmax())
    return BestF1(float(f1[best]), float(threshold[best]))


def _thresholds(ranks: Ranks) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct scores of positives, descending, with the true and false positives at and above each.

    A threshold between two of these scores only adds false positives: it affects neither average precision nor the
    best F1.
    """
    last = np.flatnonzero(np.append(np.diff(ranks.score) != 0, True))
    return ranks.score[last], last + 1, ranks.not_below[last]
