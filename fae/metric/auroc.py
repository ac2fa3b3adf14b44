import numpy as np
from numpy.typing import NDArray

from fae.metric.ranks import Ranks


def auroc(normal: NDArray[np.float32], anomalous: NDArray[np.float32]) -> float | None:
    """Return the exact area under the ROC curve: P(anomalous > normal) + ½ P(equal).

    Args:
        normal: `(N,)` scores of the negatives, of any finite range.
        anomalous: `(P,)` scores of the positives, of any finite range.

    Returns:
        a fraction in [0, 1], or None if a class is empty.

    Examples:
        >>> auroc(np.float32([0.1, 0.2, 0.3]), np.float32([0.3, 0.4]))
        0.9166666666666666
    """
    return auroc_of(Ranks.of(normal, anomalous))


def auroc_of(ranks: Ranks) -> float | None:
    """Return the AUROC that `auroc` returns, from ranks."""
    if not ranks.defined:
        return None
    wrong = (ranks.above + ranks.not_below).astype(np.float64).sum()
    return float(1.0 - wrong / (2.0 * ranks.normals * len(ranks.score)))
