from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fae.metric.aupro import LIMITS, aupro


def saturated_weights(scores: NDArray[np.float32], saturation: float) -> NDArray[np.float64]:
    """Return the weight of each pixel of a region: 1 / saturation for those with the highest scores, 0 for the others.

    Args:
        scores: `(A,)` scores of the region's pixels, of any finite range.
        saturation: number of pixels that must be found, in (0, A]; of a fraction, one pixel has the rest.
    """
    rank = np.empty(len(scores), np.int64)
    rank[np.argsort(-scores, kind="stable")] = np.arange(len(scores))
    return np.asarray(np.clip(saturation - rank, 0.0, 1.0) / saturation)


def spro(
    normal: NDArray[np.float32],
    regions: Sequence[tuple[NDArray[np.float32], float]],
    limit: float = LIMITS[1],
) -> float | None:
    """Return the area under the saturated per-region overlap up to a false positive rate, divided by that rate.

    Bergmann et al., IJCV 2022, eq. 1: at every threshold a region counts as min(found pixels / saturation, 1), averaged
    over the regions. Only the first pixels that are found count, up to the saturation, so this is the per-region
    overlap with weights that depend on the scores. With each saturation equal to the region's area it is `aupro`.

    Args:
        normal: `(N,)` scores of the normal pixels, of any finite range.
        regions: scores `(A,)` of each region's pixels, and the number of pixels that must be found, in (0, A].
        limit: upper limit of the false positive rate, in (0, 1].

    Returns:
        a fraction in [0, 1], or None if a class is empty.

    Raises:
        ValueError: `limit` lies outside (0, 1].

    Examples:
        >>> normal = np.float32([0.5, 0.1])
        >>> spro(normal, [(np.float32([0.9, 0.2]), 1.0)], limit=1.0)
        1.0
        >>> spro(normal, [(np.float32([0.9, 0.2]), 2.0)], limit=1.0)
        0.75
    """
    scores = np.concatenate([np.zeros(0, np.float32), *(one for one, _ in regions)])
    weights = np.concatenate([np.zeros(0), *(saturated_weights(one, saturation) for one, saturation in regions)])
    return aupro(normal, scores, weights, limit)
