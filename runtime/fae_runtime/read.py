"""Image files as RGB of 8 bits, bit for bit as fae reads them."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fae_runtime.header import RGB, WHOLE, UnlikeError, header

Array = NDArray[np.uint8]

_DEEPEST = 16


def read_image(path: Path | str, bit_depth: int | None = None, pages: str | None = None) -> Array:
    """Decode an image file to RGB `(H, W, 3)`: EXIF data turn it, alpha is dropped, and 16 bits are brought to 8.

    Args:
        path: a JPEG, PNG, TIFF, BMP or WebP file.
        bit_depth: number of bits that a camera fills in files of 16 bits; None takes 16.
        pages: "first" reads the first page of a file of several pages; None refuses such files.

    Raises:
        ValueError: the file is no image, is damaged, is of a kind that OpenCV does not read as fae does, or holds
            values beyond `bit_depth`.
    """
    try:
        content = Path(path).read_bytes()
        found = header(content)
        if found.pages and pages is None:
            raise UnlikeError(
                "it has several pages", "save the pages as files of their own, or export a run with data.pages=first"
            )
        return _scaled(_decoded(content, found.kind), bit_depth)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); name an image file") from error
    except UnlikeError as error:
        raise ValueError(f"{path} cannot be read as an image ({error.why}); {error.remedy}") from error


def _decoded(content: bytes, kind: str) -> NDArray[np.generic]:
    """Return the pixels, `(H, W, 3)` in RGB."""
    # Of TIFF files, OpenCV keeps the type only so; it turns them all the same.
    flags = cv2.IMREAD_UNCHANGED if kind == "TIFF" else cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as error:
        if "CV_IO_MAX_IMAGE" in str(error):
            raise UnlikeError(
                "it has more pixels than OpenCV reads", "set OPENCV_IO_MAX_IMAGE_PIXELS before Python starts"
            ) from error
        pixels = None
    if pixels is None:
        raise UnlikeError(f"it is a damaged {kind} file", WHOLE)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise UnlikeError(f"it holds values of type {pixels.dtype}, whose range is unknown", RGB)
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB if pixels.ndim == 2 else cv2.COLOR_BGR2RGB))


def _scaled(pixels: NDArray[np.generic], bit_depth: int | None) -> Array:
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint8, copy=False)
    full = 2 ** (bit_depth or _DEEPEST) - 1
    peak = int(pixels.max())
    if peak > full:
        raise UnlikeError(
            f"it holds values up to {peak}, but the run's data.bit_depth (={bit_depth}) ends at {full}",
            "export a run that was trained on images of this camera",
        )
    levels = np.round(np.arange(full + 1) * (255 / full)).astype(np.uint8)
    return np.asarray(levels[pixels])
