"""Bringing images and regions to the size of an export, and maps back, bit for bit as fae does."""

import cv2
import numpy as np
from numpy.typing import NDArray

from fae_runtime.read import Array

Size = tuple[int, int]
"""`(height, width)` in pixels."""


def content_size(size: Size, target: Size, aspect: str) -> Size:
    """Return the size, without padding, that an image of a size gets within the target.

    Args:
        size: size of the image.
        target: size of the export.
        aspect: "stretch" changes the aspect ratio; "pad" keeps it.
    """
    if aspect == "stretch":
        return target
    scale = min(target[0] / size[0], target[1] / size[1])
    return min(target[0], max(1, round(size[0] * scale))), min(target[1], max(1, round(size[1] * scale)))


def fit(image: Array, target: Size, content: Size) -> Array:
    """Bring an image `(H, W, 3)` to its content's size, and fill the target on the right and below by reflection."""
    height, width = content
    if content != image.shape[:2]:
        shrinks = height < image.shape[0] or width < image.shape[1]
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image, (width, height), interpolation=method), dtype=np.uint8)
    if content != target:
        image = np.pad(image, ((0, target[0] - height), (0, target[1] - width), (0, 0)), mode="symmetric")
    return image


def fit_region(region: NDArray[np.bool_], target: Size, content: Size) -> NDArray[np.bool_]:
    """Bring a region `(H, W)` to a size as `fit` brings its image; it is False beyond the content.

    A pixel is set if at least half of it is covered. If no pixel is half covered, the most covered pixels are set.
    """
    height, width = content
    if content != region.shape:
        cover = cv2.resize(region.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        region = np.asarray(cover >= (min(0.5, float(cover.max())) or np.inf))
    return np.pad(region, ((0, target[0] - height), (0, target[1] - width)))


def resized(anomaly_map: NDArray[np.float32], size: Size) -> NDArray[np.float32]:
    """Bring a map `(h, w)` to the size of the image that it belongs to."""
    if anomaly_map.shape == size:
        return anomaly_map
    shrinks = size[0] < anomaly_map.shape[0] and size[1] < anomaly_map.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(anomaly_map, (size[1], size[0]), interpolation=method), dtype=np.float32)
