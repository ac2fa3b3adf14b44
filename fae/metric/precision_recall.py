from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


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
    if normal.size == 0 or anomalous.size == 0:
        return None
    _, found, alarms, step = _thresholds(normal, anomalous)
    return float((step * found / (found + alarms)).sum() / anomalous.size)


def best_f1(normal: NDArray[np.float32], anomalous: NDArray[np.float32]) -> BestF1 | None:
    """Exact best F1 = 2·TP / (2·TP + FP + FN). An oracle's figure: it chooses the threshold by the labels.

    Args:
        normal: `(N,)` scores of the negatives, any finite range.
        anomalous: `(P,)` scores of the positives.

    Returns:
        value in [0, 1] and threshold, or None where a class is empty.
    """
    if normal.size == 0 or anomalous.size == 0:
        return None
    threshold, found, alarms, _ = _thresholds(normal, anomalous)
    f1 = 2 * found / (found + alarms + anomalous.size)
    best = int(f1.argmax())
    return BestF1(float(f1[best]), float(threshold[best]))


def _thresholds(
    normal: NDArray[np.float32], anomalous: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The distinct scores of positives, descending, with true and false positives at and above, and positives at each.

    Thresholds between them add false positives alone: neither average precision nor the best F1 can come from there.
    """
    value, count = np.unique(anomalous, return_counts=True)
    threshold, step = value[::-1], count[::-1]
    alarms = normal.size - np.searchsorted(np.sort(normal), threshold, side="left")
    return threshold, step.cumsum(), alarms, step
