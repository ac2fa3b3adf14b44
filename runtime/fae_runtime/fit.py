"""Bringing images and regions to the size of an export, and maps back, bit for bit as fae does."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from fae_runtime.read import Array

Region = NDArray[np.bool_]

Size = tuple[int, int]
"""`(height, width)` in pixels."""

_LEAST_SHARE = 1e-3


class Judged(NamedTuple):
    """The region of an image that is judged."""

    own: Region
    """`(H, W)` in the image's own pixels."""
    fitted: Region
    """`(height, width)` of the image's content, without padding."""


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


def fit_region(region: Region, size: Size) -> Region:
    """Bring a region `(H, W)` to a size.

    A pixel is set if at least half of it is covered. If no pixel is half covered, the most covered pixels are set.
    """
    if region.shape == size:
        return region
    cover = cv2.resize(region.astype(np.float32), (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(cover >= (min(0.5, float(cover.max())) or np.inf))


def resized(anomaly_map: NDArray[np.float32], size: Size) -> NDArray[np.float32]:
    """Bring a map `(h, w)` to the size of the image that it belongs to."""
    if anomaly_map.shape == size:
        return anomaly_map
    shrinks = size[0] < anomaly_map.shape[0] and size[1] < anomaly_map.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(anomaly_map, (size[1], size[0]), interpolation=method), dtype=np.float32)


def resized_inside(anomaly_map: NDArray[np.float32], size: Size, judged: Judged) -> NDArray[np.float32]:
    """Bring a map that is 0 outside its region to the size of the image; the zeros do not lower it along the border."""
    share = resized(judged.fitted.astype(np.float32), size)
    return np.where(judged.own, resized(anomaly_map, size) / np.maximum(share, _LEAST_SHARE), np.float32(0))
