from pathlib import Path

import pytest

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
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in the space of features, with head and memory, whose images are no multiple of its cells."""

    def make(root: Path) -> None:
        data = write_tiny(root / "tiny", train=24, size=(40, 40))
        train(compose_features(data, root / "run", *SHORT, *HELD_OUT, "data.image_size=40"))

    return once(tmp_path_factory, "exported-features", make) / "run"
