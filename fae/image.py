"""Image files: listing them, and reading them as uint8 arrays, without randomness."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

Array = NDArray[np.uint8]


def images_in(folder: Path) -> list[Path]:
    """Return the files directly in a folder with a suffix that Pillow opens, sorted by name, without hidden files."""
    known = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    return sorted(
        p for p in folder.iterdir() if p.suffix.lower() in known and not p.name.startswith(".") and p.is_file()
    )


def read_image(path: Path) -> Array:
    """Decode an image file to RGB `(H, W, 3)`; it may be a grey, 16-bit, palette, CMYK or alpha image.

    16-bit values keep their scale (65535 becomes 255), alpha is dropped, EXIF rotation is applied. Pillow reads
    the file, because OpenCV accepts truncated JPEG files without an error.

    Raises:
        ValueError: the file cannot be decoded, or holds floating-point pixels.
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
