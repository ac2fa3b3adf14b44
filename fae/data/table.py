"""A user's own table of images, with a column for each fact; no image is decoded here."""

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from fae.data.index import GOOD, LEAST, Index, Sample
from fae.data.rows import SUFFIXES, Row, read_rows, some
from fae.image import Mask, PixelMask, mask_of_shapes

_SPLITS = ("train", "test")


def table(root: str | None, category: str) -> Index:
    """Index the images that a CSV or Parquet file lists, one in each row.

    The columns are `path` and `split` (train or test), and where needed `label` (good, normal, ok or 0, else the type
    of the defect, or 1; empty means good in train), `mask` (image files separated by semicolons, or one JSON file of
    labelme or in COCO's format) and `group` (what photographs of one part share). Paths are relative to the table's
    folder, or absolute. Values are text as they were typed; in CSV commas, semicolons or tabs separate them.

    Args:
        root: file of the table.
        category: name of the category, which is unused: the category's settings are already in other keys.

    Raises:
        FileNotFoundError: the table is missing, or a file that it names.
        ValueError: the table cannot be read, or rows contradict each other or have no clear meaning; the message names
            the first of them.
    """
    file = _file(root)
    rows = read_rows(file)
    _check(file, rows)
    train, test = (tuple(_sample(file, row) for row in rows if row.split == split) for split in _SPLITS)
    if len(train) < LEAST:
        raise ValueError(
            f"{file} has {len(train)} row(s) of split train; at least {LEAST} normal images are needed: one to train, "
            "two to validate"
        )
    return Index(f"table:{file.stem}", train, test, any(one.mask for one in test), _notes(file, rows))


def _file(root: str | None) -> Path:
    file = Path(root or "")
    if root is None or not file.exists():
        what = "not set" if root is None else "no file"
        raise FileNotFoundError(f"data.root (={root}) is {what}; name the table of your images, such as parts.csv")
    if file.is_dir():
        raise ValueError(f"data.root (={root}) is a folder; name the table in it, or use data=folder without a table")
    if file.suffix.lower() not in SUFFIXES:
        raise ValueError(f"data.root (={root}) must end with {', '.join(SUFFIXES)}; save the table as one of these")
    return file


def _check(file: Path, rows: Sequence[Row]) -> None:
    """Check what rows say, and that their files exist.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a row has no clear meaning, or contradicts another one.
    """
    _refuse(file, [(r.where, "") for r in rows if not r.path], "an empty path", "fill it in, or remove the row")
    others = [(r.where, repr(r.split)) for r in rows if r.split not in _SPLITS]
    _refuse(file, others, "a split that is neither train nor test", "write train or test")
    same: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        same[os.path.normpath(_at(file, row.path))].append(row)
    again = [(r.where, r.path) for first, *more in same.values() for r in more if r.split != first.split]
    _refuse(file, again, "an image of train in test, or the reverse", "an image belongs to one split: remove a row")
    again = [(r.where, r.path) for _, *more in same.values() for r in more]
    _refuse(file, again, "an image that an earlier row has", "remove one; join its masks by semicolons")
    open_ = [(r.where, r.path) for r in rows if not r.defect_type]
    _refuse(file, open_, "a test image without label", "write good, or the type of the defect")
    defects = [(r.where, f"{r.path}: {r.label}") for r in rows if r.split == "train" and r.defect_type != GOOD]
    _refuse(file, defects, "a defective image in train", "training needs normal images alone: move it to test")
    outlined = [(r.where, r.path) for r in rows if r.masks and r.defect_type == GOOD]
    _refuse(file, outlined, "a mask for a good image", "remove the mask, or name the type of the defect")
    lost = [(r.where, one) for r in rows for one in (r.path, *r.masks) if not _at(file, one).is_file()]
    if lost:
        raise FileNotFoundError(
            f"{file} names {len(lost)} missing file(s): {some(lost)}; paths are relative to {file.parent}, or absolute"
        )


def _refuse(file: Path, wrong: Sequence[tuple[str, str]], what: str, remedy: str) -> None:
    if wrong:
        raise ValueError(f"{file} has {len(wrong)} row(s) with {what}: {some(wrong)}; {remedy}")


def _sample(file: Path, row: Row) -> Sample:
    path = _at(file, row.path)
    return Sample(path, row.defect_type, _mask(file, row, path), row.group or None)


def _mask(file: Path, row: Row, image: Path) -> Mask | None:
    files = tuple(_at(file, one) for one in row.masks)
    if not any(one.suffix.lower() == ".json" for one in files):
        return PixelMask(files) if files else None
    if len(files) > 1:
        raise ValueError(f"{file} has a JSON file among several masks in {row.where}; a JSON file stands alone")
    try:
        return mask_of_shapes(files[0], image)
    except ValueError as error:
        raise ValueError(f"{file} has an unusable mask in {row.where}: {error}") from error


def _at(file: Path, typed: str) -> Path:
    return file.parent / typed.replace("\\", "/")


def _notes(file: Path, rows: Sequence[Row]) -> tuple[str, ...]:
    test = [row for row in rows if row.split == "test"]
    if not test:
        return (f"no test images in {file}: the run trains, but has no metrics",)
    if not any(row.masks for row in test):
        return (f"no masks in {file}: the run has image metrics, but no pixel metrics",)
    bare = [(row.where, row.path) for row in test if not row.masks and row.defect_type != GOOD]
    if not bare:
        return ()
    return (f"{len(bare)} defective image(s) of {file} have no mask and stay out of the pixel metrics: {some(bare)}",)
