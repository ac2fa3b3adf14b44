from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fae.image.opened import FULL_16, Array, opened


def read_image(path: Path) -> Array:
    """Decode an image file to RGB `(H, W, 3)`; it may be a grey, 16-bit, palette, CMYK or alpha image.

    16-bit values keep their scale (65535 becomes 255), alpha is dropped, EXIF rotation is applied, and only the first
    page is read.

    Raises:
        ValueError: the file cannot be decoded, or holds floating-point pixels.
    """
    image = opened(path).image
    if image.mode == "F":
        raise ValueError(f"{path} holds floating-point pixels of unknown range; save it with 8 or 16 bits")
    if image.mode.startswith("I"):
        return np.repeat(_to_8_bit(np.asarray(image))[..., None], 3, axis=2)
    return np.asarray(image.convert("RGB"))


def _to_8_bit(values: NDArray[np.generic]) -> Array:
    scaled = np.clip(values.astype(np.float64), 0, FULL_16) * (255 / FULL_16)
    return np.asarray(np.round(scaled), dtype=np.uint8)
