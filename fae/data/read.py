"""From files to uint8 arrays of one size; no randomness."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

ASPECTS = ("stretch", "pad")

Array = NDArray[np.uint8]


def read_image(path: Path) -> Array:
    """Decode an image file to RGB `(H, W, 3)`; grey, 16-bit, palette, CMYK and alpha images as well.

    16-bit values keep their scale (65535 becomes 255), alpha is dropped, EXIF rotation is applied. Pillow reads,
    because OpenCV takes truncated JPEG files without an error.

    Raises:
        ValueError: the file cannot be decoded.
    """
    image = _open(path)
    if image.mode == "F":
        raise ValueError(f"{path} holds floating-point pixels of unknown range; save it with 8 or 16 bits")
    if image.mode.startswith("I"):
        return np.repeat(_to_8_bit(np.asarray(image))[..., None], 3, axis=2)
    return np.asarray(image.convert("RGB"))


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Decode a ground-truth mask to bool `(H, W)`: True where any channel exceeds half of full scale.

    Raises:
        ValueError: the file cannot be decoded.
    """
    image = _open(path)
    if image.mode == "1":
        return np.asarray(image)
    if image.mode.startswith("I"):
        return _to_8_bit(np.asarray(image)) > 127
    return np.asarray(np.asarray(image.convert("RGB")).max(axis=2) > 127)


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.load()
            return ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} cannot be read as an image ({error}); replace or remove it") from error


def _to_8_bit(values: NDArray[np.generic]) -> Array:
    return np.asarray(np.round(np.clip(values.astype(np.float64), 0, 65535) / 257), dtype=np.uint8)


def fit(image: Array, size: tuple[int, int], aspect: str) -> tuple[Array, tuple[int, int]]:
    """Bring an image to a size.

    Args:
        image: `(H, W, 3)`.
        size: `(height, width)` in pixels.
        aspect: "stretch" changes the aspect ratio; "pad" keeps it, scales the image to fit and fills what is left
            on the right and below by reflection.

    Returns:
        `(*size, 3)`, and the `(height, width)` of the part that is content.
    """
    height, width = _content(image.shape[:2], size, aspect)
    shrinks = height < image.shape[0] or width < image.shape[1]
    if (height, width) != image.shape[:2]:
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image, (width, height), interpolation=method), dtype=np.uint8)
    if (height, width) != size:
        image = np.pad(image, ((0, size[0] - height), (0, size[1] - width), (0, 0)), mode="symmetric")
    return image, (height, width)


def fit_mask(mask: NDArray[np.bool_], size: tuple[int, int], aspect: str) -> NDArray[np.bool_]:
    """Bring a mask `(H, W)` to a size like `fit` its image; what lies beyond the content is False.

    A pixel is set where at least half of it is covered; a defect too small for that keeps its most covered pixels.
    """
    height, width = _content(mask.shape, size, aspect)
    if (height, width) != mask.shape:
        cover = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        mask = np.asarray(cover >= (min(0.5, float(cover.max())) or np.inf))
    return np.pad(mask, ((0, size[0] - height), (0, size[1] - width)))


def _content(shape: tuple[int, ...], size: tuple[int, int], aspect: str) -> tuple[int, int]:
    if aspect == "stretch":
        return size
    scale = min(size[0] / shape[0], size[1] / shape[1])
    return min(size[0], max(1, round(shape[0] * scale))), min(size[1], max(1, round(shape[1] * scale)))
