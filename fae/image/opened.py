"""Opening image files, turned as their EXIF data say."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

Array = NDArray[np.uint8]

FULL_16 = 65535
"""Full scale of 16-bit values."""

Image.MAX_IMAGE_PIXELS = None  # a line-scan camera makes images of any length, and all commands take them

_ONE_PICTURE = ("MPO", "PSD")
"""Formats whose further pages are previews or layers."""
_LOSSY = ("JPEG", "MPO", "JPEG2000", "WEBP", "AVIF")
_PIXELS_IN_A_BYTE = 512
"""The most that a JPEG file holds: 64 pixels take at least one bit."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Opened(NamedTuple):
    """A decoded image file."""

    image: Image.Image
    """The first page, turned upright."""
    turned: bool
    """Whether EXIF data turned it."""
    pages: int
    """The number of pages of the file, >= 1."""
    lossy: bool
    """Whether the format may change values when it is written."""
    deep: bool
    """Whether the file holds colours of 16 bits, which Pillow has cut to 8."""
    turn: Image.Transpose | None
    """The turn that EXIF data ask for and that no decoder makes, as Pillow and OpenCV both do for TIFF files."""


def opened(path: Path) -> Opened:
    """Decode the first page of an image file, and turn it by its EXIF orientation.

    Pillow reads the file, because OpenCV accepts truncated JPEG files without an error.

    Raises:
        ValueError: the file cannot be decoded.
    """
    with _readable(path) as image:
        pages = 1 if image.format in _ONE_PICTURE else getattr(image, "n_frames", 1)
        deep = len(image.getbands()) > 1 and any(";16" in str(tile.args) for tile in getattr(image, "tile", ()))
        asked = _turn(image)
        _check_size(image, path)
        image.load()  # which turns a TIFF file itself
        turn = _turn(image)
        upright = image if turn is None else image.transpose(turn)
        return Opened(upright, asked is not None, pages, image.format in _LOSSY, deep, turn)


def deep_rgb(path: Path, turn: Image.Transpose | None) -> NDArray[np.uint16]:
    """Decode a file of 16-bit colours to `(H, W, 3)` with all of its bits: Pillow cuts them to 8, OpenCV does not.

    Args:
        path: path of the file.
        turn: turn that EXIF data ask for; None for TIFF files, which OpenCV turns itself.

    Raises:
        ValueError: OpenCV cannot decode the file.
    """
    bgr = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if bgr is None or bgr.dtype != np.uint16:
        raise ValueError(f"{path} holds colours of 16 bits that cannot be read; save it with 8 bits")
    rgb = [bgr[..., channel] for channel in (2, 1, 0)] if bgr.ndim == 3 else [bgr] * 3
    turned = [one if turn is None else Image.fromarray(one).transpose(turn) for one in rgb]
    return np.stack([np.asarray(one) for one in turned], axis=2)


def is_turned(path: Path) -> bool:
    """Return whether EXIF data turn an image file, which is not decoded.

    Raises:
        ValueError: the file cannot be read as an image.
    """
    with _readable(path) as image:
        return _turn(image) is not None


def _turn(image: Image.Image) -> Image.Transpose | None:
    return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))


def _check_size(image: Image.Image, path: Path) -> None:
    """Refuse a header that lies, before memory for its pixels is taken."""
    size = path.stat().st_size
    if image.format in ("JPEG", "MPO") and image.height * image.width > _PIXELS_IN_A_BYTE * size:
        raise ValueError(f"{size} bytes cannot hold its {image.height}×{image.width} pixels")


@contextmanager
def _readable(path: Path) -> Iterator[Image.Image]:
    try:
        # A file by its name would be mapped into memory, and Pillow 12.3 then turns TIFF files wrongly.
        with path.open("rb") as file, Image.open(file) as image:
            yield image
    except MemoryError:
        raise
    except UnidentifiedImageError as error:  # its message names the file anew
        raise _unreadable(path, "its format is unknown or damaged") from error
    except Exception as error:  # Pillow's decoders raise whatever they meet: OSError, SyntaxError, struct.error, …
        raise _unreadable(path, error) from error


def _unreadable(path: Path, why: object) -> ValueError:
    return ValueError(f"{path} cannot be read as an image ({why}); replace or remove it")
