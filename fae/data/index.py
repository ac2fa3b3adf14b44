"""Index of the images, labels and masks of a data set; indexing reads file names only, and is not random."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from fae.data.hint import hint
from fae.data.left_out import LeftOut, examples
from fae.data.pairs import WITHOUT, masks_of
from fae.image import Mask, PixelMask, listing

GOOD = "good"
LEAST = 3
"""The fewest normal images: one to train, two to validate."""


@dataclass(frozen=True)
class Sample:
    """One image file."""

    path: Path
    defect_type: str = GOOD
    mask: Mask | None = None
    """What outlines the image's defect."""
    group: str | None = None
    """What this image shares with others, such as the number of the part that they show; None if it is unknown."""

    @property
    def label(self) -> int:
        """The label: 0 is normal, 1 is anomalous."""
        return int(self.defect_type != GOOD)

    @property
    def mask_files(self) -> tuple[Path, ...]:
        """The files of the mask; none without a mask."""
        return () if self.mask is None else self.mask.files


@dataclass(frozen=True)
class Index:
    """A data set: its name for results, its samples, and notes that a user must see."""

    dataset: str
    train: tuple[Sample, ...]
    test: tuple[Sample, ...] = ()
    has_masks: bool = False
    notes: tuple[str, ...] = ()
    extra: tuple[int, ...] = ()
    """The number of images of each folder of data.extra, which end `train`."""

    def first(self, extra: int) -> "Index":
        """Return the index with the first so many folders of data.extra alone."""
        left = sum(self.extra[extra:])
        return replace(self, train=self.train[: len(self.train) - left], extra=self.extra[:extra])

    @property
    def all(self) -> tuple[Sample, ...]:
        """The samples of both splits."""
        return self.train + self.test


Source = Callable[[str | None, str], Index]
"""A function `(root, category) -> Index`; `data.source` builds it."""


def layout(folder: Path, dataset: str, above: float | None = None) -> Index:
    """Index a folder in the MVTec AD layout.

    The layout has `train/good`, `test/<defect_type>` and `ground_truth/<defect_type>/<name>_mask.<suffix>` (or without
    `_mask`). `test` and `ground_truth` may be absent as a whole; a note then says so.

    Args:
        folder: folder that holds `train`, `test` and `ground_truth`.
        dataset: name of the data set for results.
        above: border between background and defect in masks, see `fae.image.mask.outline`.

    Raises:
        FileNotFoundError: `train/good` or a mask is missing, or an image is a link to a missing file.
        ValueError: `train/good` holds fewer than three images, or names leave open which mask belongs to an image.
    """
    train, tests, truth = folder / "train" / GOOD, folder / "test", folder / "ground_truth"
    if not train.is_dir():
        raise FileNotFoundError(
            f"no folder {train}: the MVTec AD layout keeps normal training images in train/good, but {folder} holds "
            f"{there(folder)}{hint(folder) or '; see data.root'}"
        )
    left_out = LeftOut(folder)
    left_out.around(listing(folder), ("train", "test", "ground_truth"))
    left_out.around(listing(train.parent), (GOOD,))
    normal = tuple(Sample(path) for path in left_out.images(train))
    known = hint(folder)
    check_training_images(len(normal), train, known)
    notes, test = [], []
    types = _types(tests, left_out)
    for kind in types:
        images = left_out.images(kind, beside=not truth.is_dir())
        outlined = truth.is_dir() and kind.name != GOOD
        masks: list[PixelMask | None] = [None] * len(images)
        if outlined:
            masks = [PixelMask((path,), above) for path in masks_of(images, truth / kind.name, WITHOUT + known)]
        test += [Sample(path, kind.name, mask) for path, mask in zip(images, masks, strict=True)]
    if truth.is_dir():
        left_out.around(listing(truth), [kind.name for kind in types if kind.name != GOOD])
    if alike := [kind for kind in types if _resembles_good(kind.name)]:
        notes.append(f"{examples(alike)} count as defects, because normal test images lie in test/{GOOD} alone")
    if not test:
        notes.append(f"no test images below {tests}: the run trains, but has no metrics{known}")
    elif not truth.is_dir():
        notes.append(f"no folder {truth}: the run has image metrics, but no pixel metrics")
    if (rest := left_out.note()) is not None:
        notes.append(rest)
    return Index(dataset, normal, tuple(test), truth.is_dir(), tuple(notes))


def _types(tests: Path, left_out: LeftOut) -> list[Path]:
    """Return the folders of the test images, one for each defect type and one for the normal images."""
    if not tests.is_dir():
        return []
    found = listing(tests)
    left_out.around(found._replace(folders=[]))
    return found.folders


def _resembles_good(name: str) -> bool:
    return name != GOOD and (name.lower().startswith(GOOD) or name.lower() in ("ok", "normal"))


def there(folder: Path) -> str:
    """Say what lies in a folder."""
    found = listing(folder)
    parts = [f"{len(found.images)} image(s)"] if found.images else []
    parts += [f"the sub-folder(s) {', '.join(path.name for path in found.folders)}"] if found.folders else []
    return " and ".join(parts) or "nothing"


def check_training_images(count: int, folder: Path, remedy: str = "") -> None:
    """Check that a split into training and validation is possible; `remedy` is the end of the message.

    Raises:
        ValueError: there are fewer than three images.
    """
    if count < LEAST:
        raise ValueError(
            f"{folder} holds {there(folder)}; at least {LEAST} normal images are needed: one to train, two to validate"
            f"{remedy}"
        )
