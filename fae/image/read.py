"""Image files as RGB of 8 bits, which is what networks see here."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fae.image.opened import FULL_16, Array, Opened, deep_rgb, opened

FIRST = "first"
_DEPTHS = (8, 10, 12, 14)
_DEEPEST = 16


class Read(NamedTuple):
    """A decoded image file."""

    rgb: Array
    """`(H, W, 3)`."""
    peak: int = 0
    """The largest value of a file of 16 bits; 0 for a file of 8 bits."""
    pages: int = 1
    """The number of pages of the file, of which the first was read."""


class ReadImage:
    """Decode image files to RGB; they may be grey, 16-bit, palette, CMYK or alpha images.

    Values of 16 bits are brought to 8 by the scale of `bit_depth`, alpha is dropped, and EXIF rotation is applied.

    Args:
        bit_depth: number of bits that a camera fills in files of 16 bits, 8 to 16: 2**bit_depth - 1 becomes 255. None
            takes 16.
        pages: "first" reads the first page of a file of several pages; None refuses such files.

    Raises:
        ValueError: an argument is outside its domain.
    """

    def __init__(self, bit_depth: int | None = None, pages: str | None = None) -> None:
        if bit_depth is not None and (not isinstance(bit_depth, int) or not _DEPTHS[0] <= bit_depth <= _DEEPEST):
            raise ValueError(
                f"data.bit_depth (={bit_depth}) must be a whole number from 8 to 16: the bits that a camera fills"
            )
        if pages not in (None, FIRST):
            raise ValueError(
                f"data.pages (={pages}) must be {FIRST}, which reads the first page, or null, which refuses files of "
                "several pages"
            )
        self.bit_depth, self.pages = bit_depth, pages

    def __call__(self, path: Path) -> Read:
        """Decode one file.

        Raises:
            ValueError: the file cannot be decoded, has several pages, or holds values without a known scale.
        """
        found = opened(path)
        if found.pages > 1 and self.pages is None:
            raise ValueError(
                f"{path} has {found.pages} pages, but an image is one page: save the pages as files of their own, or "
                f"read the first one alone by data.pages={FIRST}"
            )
        values = _deep_values(path, found)
        if values is None:
            return Read(np.asarray(found.image.convert("RGB")), 0, found.pages)
        peak = int(values.max(initial=0))
        full = FULL_16 if self.bit_depth is None else 2**self.bit_depth - 1
        if values.min(initial=0) < 0 or peak > full:
            where = f"data.bit_depth (={self.bit_depth}) ends at" if full < FULL_16 else "an image of 16 bits ends at"
            bits = depth_of(peak) if full < FULL_16 else None
            remedy = "save it with 16 bits" if bits is None else f"set data.bit_depth={bits}"
            raise ValueError(f"{path} holds values from {int(values.min())} to {peak}, but {where} {full}; {remedy}")
        scaled = np.asarray(np.round(values.astype(np.float64) * (255 / full)), dtype=np.uint8)
        rgb = np.repeat(scaled[..., None], 3, axis=2) if scaled.ndim == 2 else scaled
        return Read(rgb, peak, found.pages)


def read_image(path: Path) -> Array:
    """Decode an image file to RGB `(H, W, 3)`, see `ReadImage`.

    Raises:
        ValueError: the file cannot be decoded, has several pages, or holds values without a known scale.
    """
    return ReadImage()(path).rgb


def depth_of(peak: int) -> int | None:
    """Return the number of bits that files of 16 bits with this largest value seem to fill; None if they fill 16.

    Examples:
        >>> depth_of(1652), depth_of(40000)
        (12, None)
    """
    return next((depth for depth in _DEPTHS if 0 < peak < 2**depth), None)


def _deep_values(path: Path, found: Opened) -> NDArray[np.generic] | None:
    """Return values of more than 8 bits, `(H, W)` or `(H, W, 3)`; None if the file has 8."""
    if found.image.mode == "F":
        raise ValueError(f"{path} holds floating-point pixels of unknown range; save it with 8 or 16 bits")
    if found.image.mode.startswith("I"):
        return np.asarray(found.image)
    if not found.deep:
        return None
    return deep_rgb(path, found.turn)
