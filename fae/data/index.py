"""Index of the images, labels and masks of a data set; indexing reads file names only, and is not random."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fae.image import images_in

GOOD = "good"


@dataclass(frozen=True)
class Sample:
    """One image file; `mask` is the file that outlines the image's defect, or None."""

    path: Path
    defect_type: str = GOOD
    mask: Path | None = None

    @property
    def label(self) -> int:
        """The label: 0 is normal, 1 is anomalous."""
        return int(self.defect_type != GOOD)


@dataclass(frozen=True)
class Index:
    """A data set: its name for results, its samples, and notes that a user must see."""

    dataset: str
    train: tuple[Sample, ...]
    test: tuple[Sample, ...] = ()
    has_masks: bool = False
    notes: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[Sample, ...]:
        """The samples of both splits."""
        return self.train + self.test

    @property
    def fingerprint(self) -> str:
        """Eight hexadecimal digits of the files' splits, names and sizes; moving a data set keeps them."""
        digest = hashlib.sha256(self.dataset.encode())
        for split, samples in (("train", self.train), ("test", self.test)):
            for sample in samples:
                digest.update(
                    f"{split}/{sample.defect_type}/{sample.path.name}:{sample.path.stat().st_size}\n".encode()
                )
        return digest.hexdigest()[:8]


Source = Callable[[str | None, str], Index]
"""A function `(root, category) -> Index`; `data.source` builds it."""


def layout(folder: Path, dataset: str) -> Index:
    """Index a folder in the MVTec AD layout.

    The layout has `train/good`, `test/<defect_type>` and `ground_truth/<defect_type>/<name>_mask.<suffix>` (or without
    `_mask`). `test` and `ground_truth` may be absent as a whole; a note then says so.

    Args:
        folder: folder that holds `train`, `test` and `ground_truth`.
        dataset: name of the data set for results.

    Raises:
        FileNotFoundError: `train/good` or a mask is missing.
        ValueError: `train/good` holds fewer than three images.
    """
    train = folder / "train" / GOOD
    if not train.is_dir():
        raise FileNotFoundError(
            f"no folder {train}: the MVTec AD layout keeps normal training images in train/good; see data.root"
        )
    normal = tuple(Sample(path) for path in images_in(train))
    check_training_images(len(normal), train)
    types = sorted(d for d in (folder / "test").iterdir() if d.is_dir()) if (folder / "test").is_dir() else []
    truth = folder / "ground_truth"
    test = tuple(
        Sample(path, d.name, _mask(path, truth / d.name) if truth.is_dir() and d.name != GOOD else None)
        for d in types
        for path in images_in(d)
    )
    notes = []
    if not test:
        notes.append(f"no test images below {folder / 'test'}: the run trains, but has no metrics")
    elif not truth.is_dir():
        notes.append(f"no folder {truth}: the run has image metrics, but no pixel metrics")
    return Index(dataset, normal, test, truth.is_dir(), tuple(notes))


def check_training_images(count: int, folder: Path) -> None:
    """Check that a split into training and validation is possible.

    Raises:
        ValueError: there are fewer than three images.
    """
    if count < 3:
        raise ValueError(
            f"{folder} holds {count} readable image name(s); at least 3 are needed: one image to train, two to validate"
        )


def _mask(image: Path, folder: Path) -> Path:
    """Return the file whose name says that it is the mask of an image."""
    found = images_in(folder) if folder.is_dir() else []
    for stem in (f"{image.stem}_mask", image.stem):
        for path in found:
            if path.stem.lower() == stem.lower():
                return path
    raise FileNotFoundError(
        f"no mask for {image}: expected {folder / (image.stem + '_mask.png')}; add this mask, "
        "or remove the whole ground_truth folder to get image metrics only"
    )
