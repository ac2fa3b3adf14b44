import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import fae
from fae.machine.extra import MissingExtraError
from fae.serve.model import load_model


@pytest.fixture
def export(tmp_path: Path) -> Path:
    folder = tmp_path / "exported"
    folder.mkdir()
    metadata = {"thresholds": {"image": None, "image_undefined": "too few"}}
    (folder / "metadata.json").write_text(json.dumps(metadata))
    return folder


def test_a_run_is_a_model(whole: Path) -> None:
    model, detector = load_model(whole), fae.load(whole)
    path = whole.parent / "tiny" / "test" / "square" / "000.png"
    assert model.name == "run"
    assert model.detect(model.read(path)).score == detector(path).score
    assert model.colour_limit == detector.colour_limit
    assert model.threshold is detector.image_threshold is None, "the run is too small for a threshold"
    assert "needs at least 19 held-out normal images" in model.undefined


def test_an_exported_folder_is_read_by_the_light_runtime(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, found = np.zeros((2, 2, 3), np.uint8), SimpleNamespace(score=1.5)

    class Detector:
        colour_limit, image_threshold, normals = 0.5, None, np.array([0.5, 1.0])

        def __init__(self, folder: Path) -> None:
            self.metadata = json.loads((folder / "metadata.json").read_text())

        @classmethod
        def load(cls, folder: Path) -> "Detector":
            return cls(folder)

        def __call__(self, image: np.ndarray) -> SimpleNamespace:
            return found

        def read(self, path: Path) -> np.ndarray:
            return pixels

        def percent(self, score: float) -> float:
            return score

    runtime = ModuleType("fae_runtime")
    runtime.Detector = Detector  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fae_runtime", runtime)
    model = load_model(export)
    assert model.name == "exported"
    assert model.read(export) is pixels
    assert model.detect(pixels) is found
    assert (model.threshold, model.undefined, model.false_alarms(0.7)) == (None, "too few", 1)
    with pytest.raises(
        ValueError, match=r"evaluation \(=own\) belongs to a run, but model \(=.*exported\) is an export"
    ):
        load_model(export, "own")


def test_an_engine_that_is_missing_is_named(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fae_runtime", None)
    with pytest.raises(MissingExtraError, match=r"fae_runtime is missing; it comes with the extra \"export\""):
        load_model(export)


def test_other_folders_are_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ValueError, match=r"model \(=.*\) is no folder of a run and no exported folder: it holds"):
            load_model(folder)
