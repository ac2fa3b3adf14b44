import csv
from pathlib import Path

import pytest
from omegaconf import DictConfig

from tests.conftest import compose_command, compose_tiny, once, write_tiny


def compose_predict(*overrides: str) -> DictConfig:
    return compose_command("predict", *overrides)


def rows(output: Path) -> dict[str, dict[str, str]]:
    """The lines of predictions.csv by the names of the files; no name occurs twice."""
    with (output / "predictions.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    found = {Path(line["path"]).name: line for line in lines}
    assert len(found) == len(lines)
    return found


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of twelve steps with enough held-out normals for both thresholds, to look at."""

    def make(root: Path) -> None:
        from fae.train import train  # seconds, which most tests need not wait for

        thresholds = ("data.val_fraction=0.5", "threshold.image_rate=0.1", "threshold.pixel_rate=0.01")
        words = ("callback.last.every_n_steps=4", "trainer.precision=32-true", "pictures=1", *thresholds)
        train(compose_tiny(write_tiny(root / "tiny", train=24), root / "run", *words))

    return once(tmp_path_factory, "predicted", make) / "run"
