from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fae.train import train
from tests.conftest import SHORT, compose_tiny, once, write_tiny
from tests.test_features import compose_features

HELD_OUT = ("data.val_fraction=0.5", "threshold.image_rate=0.1", "threshold.pixel_rate=0.01")
"""Enough held-out normal images for both thresholds."""


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two steps, to look at: filter, another for an ensemble, and amplify on padded images."""

    def make(root: Path) -> None:
        data = write_tiny(root / "tiny", train=24)
        train(compose_tiny(data, root / "filter", *SHORT, *HELD_OUT))
        train(compose_tiny(data, root / "again", *SHORT, *HELD_OUT, "optimizer.lr=0.05"))
        wide = write_tiny(root / "wide", train=24, size=(24, 40))
        train(compose_tiny(wide, root / "pad", *SHORT, *HELD_OUT, "objective=amplify", "data.aspect=pad"))

    return once(tmp_path_factory, "exported", make)


@pytest.fixture(scope="session")
def regions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs that judge one region of all images, in pixels (padded, t > 0) and features, and a region of each image."""

    def make(root: Path) -> None:
        region = np.zeros((24, 40), np.uint8)
        region[4:20, 6:31] = 255
        Image.fromarray(region).save(root / "region.png")
        wide = write_tiny(root / "wide", train=24, size=(24, 40))
        for path in sorted(wide.glob("*/*/*.png")):
            if "ground_truth" not in path.parts:
                mask = root / "each" / path.relative_to(wide)
                mask.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.roll(region, int(path.stem) % 3, axis=1)).save(mask)
        words = (*SHORT, *HELD_OUT, "data.aspect=pad")
        train(compose_tiny(wide, root / "pad", *words, "score.t=5", f"data.roi={root / 'region.png'}"))
        train(compose_tiny(wide, root / "each-run", *words, f"data.roi={root / 'each'}"))
        features = (*SHORT, *HELD_OUT, "data.image_size=40", f"data.roi={root / 'region.png'}")
        train(compose_features(wide, root / "features", *features))

    return once(tmp_path_factory, "exported-regions", make)


@pytest.fixture(scope="session")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in the space of features, with head and memory, whose images are no multiple of its cells."""

    def make(root: Path) -> None:
        data = write_tiny(root / "tiny", train=24, size=(40, 40))
        train(compose_features(data, root / "run", *SHORT, *HELD_OUT, "data.image_size=40"))

    return once(tmp_path_factory, "exported-features", make) / "run"
