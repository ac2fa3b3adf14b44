"""From an uploaded picture to what the page shows of it; nothing here lets a path of this machine out."""

import sys
import traceback
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from fae.image import Array
from fae.picture.panel import heat, outline, overlay, scaled, scaled_map, scaled_mask
from fae.picture.region import Regions, regions
from fae.serve.model import Found, Model

KINDS = ("picture", "overlay", "map")
"""The pictures that the page shows of each image."""

_FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "JPEG2000", "GIF", "PPM")
"""What cameras and programs of inspection write; Pillow would start other programs for some of its other formats."""
_SIDES = 360, 720
"""The bounds in px of the longest side of what the page shows."""


class Finding(NamedTuple):
    """What is known of an uploaded picture."""

    name: str
    """The name that the user gave it, which may hold anything."""
    score: float | None = None
    regions: Regions | None = None
    """The regions above the threshold for pixels; None if there is no such threshold."""
    pictures: Path | None = None
    """The folder and the beginning of the names of its pictures, to which `-<kind>.jpg` is added."""
    error: str | None = None
    """Why it was not scored."""


def find(model: Model, file: Path, name: str, max_megapixels: float, pictures: Path | None = None) -> Finding:
    """Score an image file; one that cannot be scored gives a finding with the reason.

    Args:
        model: detector.
        file: path of the file on this machine.
        name: name that the user knows it by.
        max_megapixels: largest number of pixels, in millions, that is decoded.
        pictures: beginning of the paths for pictures; None draws none.
    """
    try:
        _check(file, name, max_megapixels)
        image = model.read(file)
        found = model.detect(image)
        if pictures is not None:
            _draw(image, found, model.colour_limit, pictures)
        return Finding(name, found.score, None if found.mask is None else regions(found.mask), pictures)
    except ValueError as error:
        return Finding(name, error=str(error).replace(str(file), name))
    except (OSError, RuntimeError, MemoryError, cv2.error) as error:  # their texts may name files of this machine
        traceback.print_exception(error, file=sys.stderr)
        return Finding(
            name, error=f"{name} could not be scored ({type(error).__name__}); the server's output says more"
        )


def _check(file: Path, name: str, max_megapixels: float) -> None:
    """Check format and size of a file, which is not decoded."""
    try:
        with file.open("rb") as opened, Image.open(opened, formats=_FORMATS) as image:
            width, height = image.size
    except Exception as error:  # Pillow's decoders raise whatever they meet
        raise ValueError(f"{name} is no image that can be read here; send JPEG, PNG, TIFF, BMP or WebP") from error
    megapixels = width * height / 1e6
    if megapixels > max_megapixels:
        raise ValueError(
            f"{name} has {width}×{height} pixels, which are {megapixels:.4g} megapixels, but max_megapixels is "
            f"{max_megapixels:g}; send a smaller picture, or start the server with a larger max_megapixels"
        )


def _draw(image: Array, found: Found, limit: float, pictures: Path) -> None:
    """Write the pictures of an image, at the size of the page."""
    height, width = image.shape[:2]
    scale = min(max(height, width, _SIDES[0]), _SIDES[1]) / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small, anomaly_map = scaled(image, size), scaled_map(found.anomaly_map, size)
    over = overlay(small, anomaly_map, limit)
    if found.mask is not None:
        outline(over, scaled_mask(found.mask, size))
        if (box := regions(found.mask).largest) is not None:
            corners = np.array([[box.left, box.top], [box.left + box.width, box.top + box.height]]) * scale
            (left, top), (right, bottom) = corners.round().astype(int).tolist()
            cv2.rectangle(over, (left - 3, top - 3), (right + 2, bottom + 2), (255, 255, 255), 1)
    for kind, shown in zip(KINDS, (small, over, heat(anomaly_map, limit)), strict=True):
        Image.fromarray(shown).save(f"{pictures}-{kind}.jpg", quality=90, subsampling=0)
