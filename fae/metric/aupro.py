import cv2
import numpy as np
from numpy.typing import NDArray

from fae.metric.ranks import Ranks

LIMITS = (0.3, 0.05)
"""The upper limits of the false positive rate that the field reports; the first is the default."""


def check_limit(limit: float) -> float:
    """Return `limit`.

    Raises:
        ValueError: `limit` lies outside (0, 1].
    """
    if not 0 < limit <= 1:
        raise ValueError(f"limit (={limit}) must lie in (0, 1]; the field uses 0.3, or 0.05 to be strict")
    return limit


def region_weights(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the weight of each anomalous pixel in the per-region overlap: one over the area of its region.

    Args:
        mask: `(N, H, W)` masks, True where the image is anomalous; regions are 8-connected.

    Returns:
        `(P,)` weights of the anomalous pixels, in the order of `mask[mask]`; their sum is the number of regions.
    """
    weights = [np.zeros(0)]
    for one in np.ascontiguousarray(mask).view(np.uint8):
        left, top, width, height = cv2.boundingRect(one)
        if width:
            box = one[top : top + height, left : left + width]
            _, regions, stats, _ = cv2.connectedComponentsWithStats(box, connectivity=8)
            weights.append(1.0 / stats[regions[box > 0], cv2.CC_STAT_AREA])
    return np.concatenate(weights)


def aupro(
    normal: NDArray[np.float32],
    anomalous: NDArray[np.float32],
    weight: NDArray[np.float64],
    limit: float = LIMITS[0],
) -> float | None:
    """Return the exact area under the per-region overlap curve up to a false positive rate, divided by that rate.

    Bergmann et al., IJCV 2021, section 5.1: at every threshold, the share of each ground-truth region that is found is
    averaged over the regions. The curve plots this average against the false positive rate: the share of all normal
    pixels, those of anomalous images included, that is called anomalous. Every pixel score is a threshold; between two
    neighbouring thresholds the curve is straight, like a ROC curve. With one region per pixel and a limit of 1, the
    result is the AUROC.

    Args:
        normal: `(N,)` scores of the normal pixels, of any finite range.
        anomalous: `(P,)` scores of the anomalous pixels, of any finite range.
        weight: `(P,)` weights of the anomalous pixels, from `region_weights`.
        limit: upper limit of the false positive rate, in (0, 1].

    Returns:
        a fraction in [0, 1], or None if a class is empty.

    Raises:
        ValueError: `limit` lies outside (0, 1].

    Examples:
        >>> mask = np.array([[[True, True, False, True]]])
        >>> weight = region_weights(mask)  # two regions, of two pixels and of one
        >>> weight
        array([0.5, 0.5, 1. ])
        >>> aupro(np.float32([0.5]), np.float32([0.9, 0.1, 0.8]), weight, limit=1.0)
        0.75
    """
    return aupro_of(Ranks.of(normal, anomalous), weight, limit)


def aupro_of(ranks: Ranks, weight: NDArray[np.float64], limit: float = LIMITS[0]) -> float | None:
    """Return the value that `aupro` returns, from ranks; `weight` is in the original order of the anomalous scores."""
    check_limit(limit)
    if not ranks.defined:
        return None
    weight = weight[ranks.order]
    above, not_below = ranks.above / ranks.normals, ranks.not_below / ranks.normals
    # A pixel enters the curve linearly between these two rates: it contributes a triangle and a rectangle.
    tied = not_below - above
    entered = np.clip(limit - above, 0.0, tied)
    ramp = entered * entered / np.where(tied > 0, 2.0 * tied, 1.0)
    area = ramp + np.maximum(limit - not_below, 0.0)
    return float((weight * area).sum() / (weight.sum() * limit))
