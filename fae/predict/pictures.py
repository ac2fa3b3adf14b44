"""The pictures of predictions: maps, masks and overlays, in folders like those of the images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fae.image import Array
from fae.machine.atomic import whole
from fae.picture.panel import outline, overlay
from fae.predict.scorer import Found

_PNG: dict[str, Any] = {"format": "PNG", "compress_level": 1}
"""The quickest compression; the usual level takes five times as long, and makes files an eighth smaller."""
_LINE, _SMALLEST = 16, 10
"""The height of an overlay in lines of text, and the least height of a line in px."""

MAPS = ("all", "anomalous", "none")
"""For which images there are pictures."""


class Pictures:
    """Writes the pictures of images, in several threads at once.

    Args:
        output: folder of the predictions.
        root: folder that all images lie in.
        kinds: kinds of picture, of "map", "mask" and "overlay".
        which: images that get pictures, of `MAPS`.
        limit: map value of the brightest colour.
    """

    def __init__(self, output: Path, root: Path, kinds: Sequence[str], which: str, limit: float) -> None:
        self.output, self.root, self.limit = output, root, limit
        self.kinds, self.which = kinds, which

    def write(self, path: Path, image: Array, found: Found, percent: float | None) -> None:
        """Write the pictures of one image `(H, W, 3)`; the overlay shows its score in per cent, if there is one.

        Raises:
            OSError: the disk is full, or the folder cannot be written.
        """
        if self.which == "none" or (self.which == "anomalous" and not found.anomalous):
            return
        for kind in self.kinds:
            picture = self._picture(kind, image, found, percent)
            if picture is None:
                continue
            suffix, saved = ("tiff", {"format": "TIFF"}) if kind == "map" else ("png", _PNG)
            name = path.relative_to(self.root)
            target = self.output / f"{kind}s" / name.parent / f"{name.name}.{suffix}"
            target.parent.mkdir(parents=True, exist_ok=True)
            with whole(target) as draft:
                picture.save(draft, **saved)

    def _picture(self, kind: str, image: Array, found: Found, percent: float | None) -> Image.Image | None:
        if kind == "map":
            return Image.fromarray(found.anomaly_map)
        if kind == "mask":
            return None if found.mask is None else Image.fromarray(found.mask.astype(np.uint8) * 255)
        over = overlay(image, found.anomaly_map, self.limit)
        if found.mask is not None:
            outline(over, found.mask)
        shown = Image.fromarray(over)
        if percent is not None:
            _write_on(shown, f"{percent:.0f} %")
        return shown


def _write_on(picture: Image.Image, text: str) -> None:
    """Write white text with a black rim into the upper left corner of a picture, in place."""
    line = max(_SMALLEST, picture.height // _LINE)
    rim = max(1, line // 12)
    ImageDraw.Draw(picture).text(
        (line // 3, line // 6),
        text,
        "white",
        ImageFont.load_default(size=line),
        stroke_width=rim,
        stroke_fill="black",
    )
