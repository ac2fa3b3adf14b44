"""A score that people read: a logistic curve of the image score, in per cent; it is no probability."""

import math

import numpy as np
from numpy.typing import NDArray

_TYPICAL = 0.05  # what a typical good image shows


def percent_width(normals: NDArray[np.float32], threshold: float | None) -> float | None:
    """Return the width of the curve, in units of the score.

    It is so chosen that a typical good image, the median of the held-out ones, shows 5, and that an image as far above
    the threshold as the typical one lies below shows 95.

    Args:
        normals: `(n,)` scores of held-out normal images.
        threshold: score above which an image is anomalous; None takes the highest of `normals`.

    Returns:
        a width > 0; None if nothing tells a width, because there are no scores, or median and threshold are equal.

    Examples:
        >>> round(percent_width(np.float32([1, 2, 3]), threshold=4.0), 3)
        0.679
    """
    if not len(normals):
        return None
    high = float(normals.max()) if threshold is None else threshold
    width = abs(high - float(np.median(normals))) / math.log(1 / _TYPICAL - 1)
    return width if 0 < width < math.inf else None


def anomaly_percent(score: float, threshold: float | None, width: float | None) -> float | None:
    """Return 100 / (1 + exp(−(score − threshold) / width)): 50 at the threshold, and more above it.

    The figure tells how far a score lies from the threshold, measured by what good images do. It is no probability: how
    often a part with such a score is defective depends on how rare defects are, which no good image tells.

    Args:
        score: image score.
        threshold: score above which an image is anomalous; None if there is no threshold.
        width: width of the curve from `percent_width`; None if it is unknown.

    Returns:
        a figure in [0, 100]; None without threshold or width.

    Examples:
        >>> width = percent_width(np.float32([1, 2, 3]), threshold=4.0)
        >>> [round(anomaly_percent(score, 4.0, width)) for score in (2.0, 4.0, 6.0)]
        [5, 50, 95]
    """
    if threshold is None or width is None:
        return None
    return 50 * (1 + math.tanh((score - threshold) / (2 * width)))  # the same curve, which cannot overflow
