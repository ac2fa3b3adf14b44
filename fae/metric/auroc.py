import numpy as np
from numpy.typing import NDArray


def auroc(normal: NDArray[np.float32], anomalous: NDArray[np.float32]) -> float | None:
    """Exact area under the ROC curve: P(anomalous > normal) + ½ P(equal).

    Args:
        normal: `(N,)` scores of the negatives, any finite range.
        anomalous: `(P,)` scores of the positives.

    Returns:
        a fraction in [0, 1], or None where a class is empty.
    """
    if normal.size == 0 or anomalous.size == 0:
        return None
    ordered = np.sort(normal)
    below = np.searchsorted(ordered, anomalous, side="left").astype(np.float64)
    not_above = np.searchsorted(ordered, anomalous, side="right").astype(np.float64)
    return float((below + not_above).sum() / (2.0 * normal.size * anomalous.size))
