import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fae.data.defect import DEFECTS
from fae.data.index import GOOD, Index, layout
from fae.data.texture import TEXTURES, photograph
from fae.machine.cache import cache_folder

VERSION = 1  # version of the drawn images; if a single pixel changes, the version must change, too
SIZE = 512
TRAIN, TEST_GOOD, TEST_EACH = 64, 24, 8


def synthetic(
    root: str | None,
    category: str,
    seed: int = 0,
    size: int = SIZE,
    train: int = TRAIN,
    test_good: int = TEST_GOOD,
    test_each: int = TEST_EACH,
) -> Index:
    """Index a procedurally drawn twin of a texture category; draw the twin first if it is not there yet.

    Args:
        root: cache folder below which the images are kept, in the MVTec AD layout.
        category: name of the category: carpet, grid, leather, tile or wood.
        seed: seed of the drawing, >= 0.
        size: side of an image, in pixels.
        train: number of training images.
        test_good: number of normal test images.
        test_each: number of test images of each of the five types of defects.

    Raises:
        ValueError: the category has no synthetic twin, or `root` is not given.
        OSError: the folder cannot be written.
    """
    if category not in TEXTURES:
        raise ValueError(
            f"category (={category}) has no synthetic twin; choose one of {', '.join(sorted(TEXTURES))}, "
            "or name real images: data=mvtec data.root=DIR, or data=folder data.root=DIR"
        )
    if root is None:
        raise ValueError("data.root (=null) must name the folder to draw synthetic images in")
    numbers = (size, train, test_good, test_each)
    other = "" if numbers == (SIZE, TRAIN, TEST_GOOD, TEST_EACH) else "-{}px-{}-{}-{}".format(*numbers)
    folder = Path(root) / f"synthetic-v{VERSION}-seed{seed}{other}" / category
    if not folder.is_dir():
        counts = {f"train/{GOOD}": train, f"test/{GOOD}": test_good} | {f"test/{name}": test_each for name in DEFECTS}
        _write(folder, category, seed, size, counts)
    note = (
        f"SYNTHETIC DATA: {category} is drawn procedurally (seed {seed}) in {folder}; "
        "its numbers say nothing about real images"
    )
    index = layout(folder, f"synthetic:{category}")
    return replace(index, notes=(note, *index.notes))


def draw(
    category: str, seed: int, split: str, number: int, size: int = SIZE
) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
    """Draw one image from its own random stream.

    Args:
        category: name of the category: carpet, grid, leather, tile or wood.
        seed: seed of the drawing, >= 0.
        split: folder of the image: `train/good`, `test/good` or `test/<type of defect>`.
        number: number of the image in its folder, >= 0.
        size: side of the image, in pixels.

    Returns:
        the image `(size, size, 3)` uint8, and the bool mask `(size, size)` of its defect, or None.
    """
    rng = np.random.default_rng([seed, VERSION, number, *f"{category}/{split}".encode()])
    picture = TEXTURES[category](rng, size)
    kind, defect_type = split.split("/")
    mask = DEFECTS[defect_type](rng, picture) if kind == "test" and defect_type != GOOD else None
    return photograph(rng, picture), mask


def _write(folder: Path, category: str, seed: int, size: int, counts: dict[str, int]) -> None:
    """Draw the whole data set into a draft folder beside its final place, then move the folder there at once."""
    beside = cache_folder(folder.parent.parent, folder.parent.name)
    draft = Path(tempfile.mkdtemp(prefix=f".{category}-", dir=beside))
    try:
        for split, count in counts.items():
            (draft / split).mkdir(parents=True)
            for number in range(count):
                image, mask = draw(category, seed, split, number, size)
                Image.fromarray(image).save(draft / split / f"{number:03d}.png")
                if mask is not None:
                    truth = draft / "ground_truth" / Path(split).name
                    truth.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(mask.astype(np.uint8) * 255).save(truth / f"{number:03d}_mask.png")
        draft.chmod(0o755)
        os.rename(draft, folder)
    except OSError:
        if not folder.is_dir():  # another process may have been first, with the same images
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
