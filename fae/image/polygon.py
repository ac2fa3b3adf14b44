"""Defects that annotation tools outline by shapes in JSON files: those of labelme, and those in COCO's format.

Every shape is a defect, whatever its label. Pillow draws them as labelme itself does: points fall into pixels, and the
pixels below an outline belong to the defect, as those inside do. COCO's own tools make a shape up to one row and one
column smaller.
"""

import json
import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fae.image.mask import Mask, Outline

_FARTHEST = 1e6  # px; what lies farther outside is no point of an image
_Points = list[tuple[float, float]]


@dataclass(frozen=True)
class LabelmeMask:
    """The shapes of a labelme file, which outline the defects of one image: polygons, rectangles and circles."""

    file: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """The file."""
        return (self.file,)

    def outline(self, above: float | None = None) -> Outline:
        """Draw the shapes, `(H, W)` as the file states the image's size; `above` has no meaning here.

        Raises:
            ValueError: the file is broken, lacks the image's size, or holds a shape that encloses no area.
        """
        found = _json(self.file)
        canvas = _canvas(_size(found, "imageHeight", "imageWidth", str(self.file)))
        for number, shape in enumerate(_need(found, "shapes", list, str(self.file)), start=1):
            where = f"{self.file}, shape {number}"
            points = _points(_need(shape, "points", list, where), where)
            kind = str(shape.get("shape_type", "polygon"))
            if kind not in _SHAPES:
                raise ValueError(
                    f"{where} is a {kind}, which this program cannot fill; outline the defect by a "
                    f"{', '.join(_SHAPES)} in labelme"
                )
            least, draw = _SHAPES[kind]
            if len(points) < least:
                raise ValueError(f"{where} is a {kind} of {len(points)} point(s), but needs {least}; draw it anew")
            draw(ImageDraw.Draw(canvas), points)
        return _outline(np.asarray(canvas))


@dataclass(frozen=True)
class CocoMask:
    """The annotations of one image in a COCO file: polygons, and uncompressed run lengths.

    The file is read once for all of its images.
    """

    file: Path
    image: str
    """The image's path with slashes; the file's `file_name` must be this path or its end."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The file."""
        return (self.file,)

    def outline(self, above: float | None = None) -> Outline:
        """Draw the annotations, `(H, W)` as the file states the image's size; `above` has no meaning here.

        Raises:
            ValueError: the file is broken, knows the image not at all or twice, lacks its size, or holds an annotation
                without an outline or with compressed run lengths.
        """
        known, parts = _coco(self.file), PurePosixPath(self.image).parts
        ends = (str(PurePosixPath(*parts[first:])) for first in range(len(parts)))
        entries = next((known.images[end] for end in ends if end in known.images), [])
        if len(entries) != 1:
            count = f"names {len(entries)} times" if entries else "does not know"
            raise ValueError(
                f'{self.file} {count} the image {self.image}; exactly one entry of "images" must have the end of '
                'this path as its "file_name"'
            )
        where = f"{self.file}, image {self.image}"
        size = _size(entries[0], "height", "width", where)
        canvas, defect = _canvas(size), np.zeros(size, np.bool_)
        for annotation in known.annotations.get(entries[0]["id"], ()):
            where = f"{self.file}, annotation {annotation.get('id')} of {self.image}"
            shape = annotation.get("segmentation")
            if isinstance(shape, dict):
                defect |= _runs(shape, size, where)
                continue
            if not shape or not isinstance(shape, list):
                raise ValueError(
                    f"{where} has no outline, at most a box; draw polygons, leave out its mask in the table, or remove "
                    "the annotation"
                )
            for polygon in shape:
                points = _points(polygon, where)
                if len(points) < 3:
                    raise ValueError(f"{where} has a polygon of {len(points)} point(s), but needs 3; draw it anew")
                _polygon(ImageDraw.Draw(canvas), points)
        return _outline(defect | np.asarray(canvas))


def mask_of_shapes(file: Path, image: Path) -> Mask:
    """Return what outlines the defects of an image in a JSON file, whose keys tell labelme from COCO.

    Raises:
        ValueError: the file is broken, or of neither kind.
    """
    found = _json(file)
    if "shapes" in found:
        return LabelmeMask(file)
    if "images" in found:
        return CocoMask(file, image.as_posix())
    raise ValueError(f'{file} has neither "shapes", as labelme writes, nor "images", as in COCO; export it as one')


class _Coco(NamedTuple):
    images: dict[str, list[dict[str, Any]]]
    """Entries by `file_name`."""
    annotations: dict[int | str, list[dict[str, Any]]]
    """Annotations by `image_id`."""


def _coco(file: Path) -> _Coco:
    facts = file.stat()
    return _coco_of(file, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=4)
def _coco_of(file: Path, changed: int, size: int) -> _Coco:
    found, where = _parsed(file, changed, size), f"{file}, an entry of"
    known = _Coco(defaultdict(list), defaultdict(list))
    for entry in _need(found, "images", list, str(file)):
        _need(entry, "id", (int, str), f"{where} images")
        name = _need(entry, "file_name", str, f"{where} images")
        known.images[str(PurePosixPath(name.replace("\\", "/")))].append(entry)
    for entry in _need(found, "annotations", list, str(file)):
        known.annotations[_need(entry, "image_id", (int, str), f"{where} annotations")].append(entry)
    return known


def _json(file: Path) -> dict[str, Any]:
    facts = file.stat()
    return _parsed(file, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=4)
def _parsed(file: Path, changed: int, size: int) -> dict[str, Any]:
    """Parse a file again only if its time of change or its size is another."""
    try:
        found = json.loads(file.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{file} is no JSON file ({error}); export it again") from error
    if not isinstance(found, dict):
        raise ValueError(f"{file} holds no JSON object; export it from labelme, or in COCO's format")
    return found


def _need(holder: Any, key: str, kind: type | tuple[type, ...], where: str) -> Any:
    value = holder.get(key) if isinstance(holder, dict) else None
    if not isinstance(value, kind):
        raise ValueError(f'{where} lacks "{key}", or it is not what the format demands; export the file again')
    return value


def _size(holder: dict[str, Any], height: str, width: str, where: str) -> tuple[int, int]:
    size = holder.get(height), holder.get(width)
    if not all(isinstance(one, int) and one > 0 for one in size):
        raise ValueError(
            f'{where} lacks the image\'s size, "{height}" and "{width}" in whole pixels; export the file again with it'
        )
    return size  # type: ignore[return-value]


def _canvas(size: tuple[int, int]) -> Image.Image:
    return Image.new("1", size[::-1])


def _points(values: Any, where: str) -> _Points:
    try:
        points = np.asarray(values, np.float64).reshape(-1, 2)
    except (TypeError, ValueError):
        points = np.full((1, 2), np.nan)
    if not (np.abs(points) < _FARTHEST).all():
        raise ValueError(f"{where} has points that are no pairs of finite numbers of pixels; draw it anew")
    return [(x, y) for x, y in points.tolist()]


def _runs(shape: dict[str, Any], size: tuple[int, int], where: str) -> NDArray[np.bool_]:
    """Decode run lengths, which begin with the background and go down the columns."""
    counts = shape.get("counts")
    if isinstance(counts, str):
        raise ValueError(
            f"{where} has compressed run lengths, which this program cannot read; save what pycocotools.mask.decode "
            "makes of them as an image, and name that in the table"
        )
    valid = isinstance(counts, list) and all(isinstance(one, int) and one >= 0 for one in counts)
    if not valid or shape.get("size") != list(size) or sum(counts or ()) != size[0] * size[1]:
        raise ValueError(f"{where} has run lengths that do not fill the image, {size[0]}×{size[1]}; export them again")
    values = np.arange(len(counts or ())) % 2 == 1
    return np.repeat(values, np.asarray(counts, np.int64)).reshape(size, order="F")


def _polygon(draw: ImageDraw.ImageDraw, points: _Points) -> None:
    draw.polygon(points, fill=1, outline=1)


def _rectangle(draw: ImageDraw.ImageDraw, points: _Points) -> None:
    """Draw the rectangle of two opposite corners, or of all four."""
    columns, rows = zip(*points, strict=True)
    draw.rectangle((min(columns), min(rows), max(columns), max(rows)), fill=1)


def _circle(draw: ImageDraw.ImageDraw, points: _Points) -> None:
    """Draw the circle of a centre and a point on it."""
    (column, row), radius = points[0], math.dist(*points[:2])
    draw.ellipse((column - radius, row - radius, column + radius, row + radius), fill=1)


_SHAPES: dict[str, tuple[int, Callable[[ImageDraw.ImageDraw, _Points], None]]] = {
    "polygon": (3, _polygon),
    "rectangle": (2, _rectangle),
    "circle": (2, _circle),
}
"""The fewest points of a shape, and how it is drawn."""


def _outline(defect: NDArray[np.bool_]) -> Outline:
    return Outline(defect, (0, 0), False, None)
