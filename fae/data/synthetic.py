import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from fae.data.defect import DEFECTS
from fae.data.index import GOOD, Index, layout
from fae.data.texture import TEXTURES, photograph

VERSION = 1  # of what is drawn; a change of a single pixel needs a new one
SIZE = 512
TRAIN, TEST_GOOD, TEST_EACH = 64, 24, 8


def synthetic(root: str | None, category: str, seed: int = 0) -> Index:
    """Index a procedurally drawn twin of a texture category, drawing it first where it is not there yet.

    Args:
        root: the cache folder below which the images are kept, in the MVTec AD layout.
        category: carpet, grid, leather, tile or wood.
        seed: of the drawing.

    Raises:
        ValueError: the category has no synthetic twin, or `root` is not given.
    """
    if category not in TEXTURES:
        raise ValueError(
            f"category (={category}) has no synthetic twin; choose one of {', '.join(sorted(TEXTURES))}, "
            "or name real images: data=mvtec data.root=DIR, or data=folder data.root=DIR"
        )
    if root is None:
        raise ValueError("data.root (=null) must name the folder to draw synthetic images in")
    folder = Path(root) / f"synthetic-v{VERSION}-seed{seed}" / category
    if not folder.is_dir():
        _write(folder, category, seed)
    note = (
        f"SYNTHETIC DATA: {category} is drawn procedurally (seed {seed}) in {folder}; "
        "its numbers say nothing about real images"
    )
    index = layout(folder, f"synthetic:{category}")
    return replace(index, notes=(note, *index.notes))


def _write(folder: Path, category: str, seed: int) -> None:
    """Draw the whole data set beside its place and move it there at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{category}-", dir=folder.parent))
    try:
        for split, count in ((f"train/{GOOD}", TRAIN), (f"test/{GOOD}", TEST_GOOD)):
            for i in range(count):
                _draw(draft, category, seed, split, i)
        for defect_type in DEFECTS:
            for i in range(TEST_EACH):
                _draw(draft, category, seed, f"test/{defect_type}", i)
        draft.chmod(0o755)
        os.rename(draft, folder)
    except OSError:
        if not folder.is_dir():  # another process may have been first, with the same images
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _draw(root: Path, category: str, seed: int, split: str, i: int) -> None:
    """Write image `i` of a split, and its mask; every file has a random stream of its own."""
    rng = np.random.default_rng([seed, VERSION, i, *f"{category}/{split}".encode()])
    picture = TEXTURES[category](rng, SIZE)
    kind, defect_type = split.split("/")
    if kind == "test" and defect_type != GOOD:
        mask = DEFECTS[defect_type](rng, picture)
        truth = root / "ground_truth" / defect_type
        truth.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask.astype(np.uint8) * 255).save(truth / f"{i:03d}_mask.png")
    (root / split).mkdir(parents=True, exist_ok=True)
    Image.fromarray(photograph(rng, picture)).save(root / split / f"{i:03d}.png")
