"""The regions of a mask, and the box of the largest one."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray


class Box(NamedTuple):
    """A box in px of the image; its left and top edge are counted from 0."""

    left: int
    top: int
    width: int
    height: int


class Regions(NamedTuple):
    """The regions of a mask; pixels that touch at a corner belong together."""

    area: int
    """The number of pixels in the mask."""
    number: int
    """The number of regions."""
    largest: Box | None
    """The box of the region with the most pixels; None if the mask is empty."""


def regions(mask: NDArray[np.bool_]) -> Regions:
    """Find the regions of a mask `(H, W)`.

    Examples:
        >>> mask = np.zeros((6, 8), dtype=bool)
        >>> mask[1:3, 2:7] = mask[5, 0] = True
        >>> regions(mask)
        Regions(area=11, number=2, largest=Box(left=2, top=1, width=5, height=2))
    """
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count == 1:  # the background alone
        return Regions(0, 0, None)
    left, top, width, height, _ = (int(value) for value in stats[1 + stats[1:, cv2.CC_STAT_AREA].argmax()])
    return Regions(int(mask.sum()), count - 1, Box(left, top, width, height))
