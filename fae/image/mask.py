"""What a ground-truth mask says: which pixels are defect, whatever its mode, its depth and its values."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fae.image.opened import FULL_16, deep_rgb, opened

_HALF = 0.5
_NOISE = 0.1  # of full scale: a lossy file's black and white are not exact


class Outline(NamedTuple):
    """The defect that a mask outlines."""

    defect: NDArray[np.bool_]
    """`(H, W)`, True on the defect."""
    between: tuple[int, int]
    """Numbers of pixels whose value lies between background and full scale: on the defect, and off it."""
    scaled: bool
    """Whether the larger of two values is the defect, although it is not full scale."""
    turned: bool | None
    """Whether EXIF data turned the mask; None for shapes, which are drawn on the upright image."""


class Mask(Protocol):
    """What outlines the defects of one image."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that hold the outline, the first of which names it in messages."""
        ...

    def outline(self, above: float | None = None) -> Outline:
        """Decode the outline; `above` is the border between background and defect, see `outline`.

        Raises:
            ValueError: a file cannot be decoded, or its content has no clear meaning.
        """
        ...


@dataclass(frozen=True)
class PixelMask:
    """Files of pixels, each of which outlines a part of the defects of one image."""

    files: tuple[Path, ...]
    above: float | None = None
    """The layout's own border between background and defect, see `outline`; None lets the values decide."""

    @property
    def name(self) -> str:
        """The names of the files, without their folders."""
        return ", ".join(path.name for path in self.files)

    def outline(self, above: float | None = None) -> Outline:
        """Decode the files, and join what they outline.

        Raises:
            ValueError: a file cannot be decoded, its values have no clear meaning, or sizes differ.
        """
        border = self.above if above is None else above
        return joined([outline(path, border) for path in self.files], self.files)


def joined(outlines: Sequence[Outline], files: Sequence[Path]) -> Outline:
    """Join outlines of one image, each from one of the files.

    Raises:
        ValueError: the sizes differ.
    """
    first, *rest = outlines
    for one, path in zip(rest, files[1:], strict=True):
        if one.defect.shape != first.defect.shape:
            raise ValueError(
                f"{path} has {one.defect.shape[0]}×{one.defect.shape[1]} pixels, {files[0]} "
                f"{first.defect.shape[0]}×{first.defect.shape[1]}; masks of one image must have one size"
            )
    on, off = (sum(one.between[side] for one in outlines) for side in (0, 1))
    return Outline(
        np.logical_or.reduce([one.defect for one in outlines]),
        (on, off),
        any(one.scaled for one in outlines),
        any(one.turned for one in outlines),
    )


def read_mask(path: Path, above: float | None = None) -> NDArray[np.bool_]:
    """Decode a ground-truth mask to bool `(H, W)`, True on the defect; see `outline`.

    Raises:
        ValueError: the file cannot be decoded, or its values have no clear meaning.
    """
    return outline(path, above).defect


def outline(path: Path, above: float | None = None) -> Outline:
    """Decode a ground-truth mask.

    The value of a pixel is that of its brightest channel. Where all colours are alike, alpha is the mask; elsewhere
    transparent pixels are background. In a coloured palette each entry but the background's, which is black or the
    first, marks a defect. The pixels above a border are defect. Without a border, the larger one of two values is; and
    with more values those above half of full scale are.

    Args:
        path: path of the mask.
        above: border as a share of full scale, in [0, 1); None chooses as above.

    Raises:
        ValueError: the file cannot be decoded or has several pages; or there is no border, and all values, one or more
            than two, lie below half of full scale, as in a map of labels.
    """
    file = opened(path)
    turned, lossy = file.turned, file.lossy
    if file.pages > 1:
        raise ValueError(
            f"mask {path} has {file.pages} pages, but a mask is one page; save the one that is meant alone"
        )
    if file.deep and file.image.mode == "RGB":
        values, full = deep_rgb(path, file.turn).max(axis=2), float(FULL_16)
    else:
        values, full = _values(file.image)
    found = np.unique(values)
    largest = found[-1] if found.size else 0
    noise = _NOISE * full if lossy else 0
    scaled = False
    if above is not None:
        defect = values > above * full
    elif found.size == 2 and not (lossy and largest <= noise):
        defect = values == largest
        scaled = bool(largest != full)
    elif noise < largest <= _HALF * full:
        raise ValueError(
            f"mask {path} has {found.size} value(s) up to {largest:g} of {full:g}, so that nothing tells defect from "
            "background; data.mask_above=0 takes all values above 0 for defect"
        )
    else:
        defect = values > _HALF * full
    clear = scaled or above == 0  # then every value has one meaning
    grey = (values > noise) & (values < full - noise) & (not clear)
    return Outline(defect, (int((grey & defect).sum()), int((grey & ~defect).sum())), scaled, turned)


def _values(image: Image.Image) -> tuple[NDArray[Any], float]:
    """Return the values `(H, W)` of a mask, and their full scale."""
    if image.mode == "1":
        return np.asarray(image).astype(np.uint8), 1
    if image.mode == "F":
        values = np.asarray(image)
        return values, 1 if values.max(initial=0) <= 1 else 255
    if image.mode.startswith("I"):
        return np.asarray(image), FULL_16
    if image.mode == "P" and "transparency" not in image.info:
        return _of_palette(image), 255
    rgba = np.asarray(image.convert("RGBA"))
    colour, alpha = rgba[..., :3].max(axis=2), rgba[..., 3]
    if alpha.size and alpha.min() < alpha.max():
        return (alpha if colour.min() == colour.max() else np.where(alpha > 127, colour, 0)), 255
    return colour, 255


def _of_palette(image: Image.Image) -> NDArray[Any]:
    index, rgb = np.asarray(image), np.asarray(image.convert("RGB"))
    if (rgb == rgb[..., :1]).all():  # greys: the values are as those of a grey image
        return rgb[..., 0]
    black = (rgb == 0).all(axis=2)
    return np.where(black if black.any() else index == 0, 0, 255).astype(np.uint8)
