"""Bringing images and their masks to one size."""

import cv2
import numpy as np
from numpy.typing import NDArray

from fae.image import Array

ASPECTS = ("stretch", "pad")


def fit(image: Array, size: tuple[int, int], aspect: str) -> tuple[Array, tuple[int, int]]:
    """Bring an image to a size.

    Args:
        image: `(H, W, 3)` uint8 image.
        size: `(height, width)` of the result, in pixels.
        aspect: treatment of the aspect ratio: "stretch" changes it; "pad" keeps it, scales the image to fit, and fills
            the rest on the right and below by reflection.

    Returns:
        the image `(*size, 3)` uint8, and the `(height, width)` of its content, which is the part without padding.
    """
    height, width = content_size(image.shape[:2], size, aspect)
    shrinks = height < image.shape[0] or width < image.shape[1]
    if (height, width) != image.shape[:2]:
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image, (width, height), interpolation=method), dtype=np.uint8)
    if (height, width) != size:
        image = np.pad(image, ((0, size[0] - height), (0, size[1] - width), (0, 0)), mode="symmetric")
    return image, (height, width)


def fit_mask(mask: NDArray[np.bool_], size: tuple[int, int], aspect: str) -> NDArray[np.bool_]:
    """Bring a mask `(H, W)` to a size in the way `fit` treats its image; the mask is False beyond the content.

    A pixel is set if at least half of it is covered. If no pixel is half covered, the most covered pixels are set.
    """
    height, width = content_size(mask.shape, size, aspect)
    if (height, width) != mask.shape:
        cover = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        mask = np.asarray(cover >= (min(0.5, float(cover.max())) or np.inf))
    return np.pad(mask, ((0, size[0] - height), (0, size[1] - width)))


def content_size(shape: tuple[int, ...], size: tuple[int, int], aspect: str) -> tuple[int, int]:
    """Return the `(height, width)`, without padding, that `fit` and `fit_mask` give an image or mask of a shape."""
    if aspect == "stretch":
        return size
    scale = min(size[0] / shape[0], size[1] / shape[1])
    return min(size[0], max(1, round(shape[0] * scale))), min(size[1], max(1, round(shape[1] * scale)))
