import json
from pathlib import Path

import pytest
from omegaconf import DictConfig

import fae
from fae.export.__main__ import run
from fae.machine.extra import MissingExtraError
from fae.serve.model import load_model
from fae.train import train
from tests.conftest import SHORT, compose_command, compose_tiny, once, write_tiny


def compose_export(*words: str) -> DictConfig:
    return compose_command("export", *words)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with thresholds, in `run`, and its export, in `export`."""

    def make(root: Path) -> None:
        thresholds = ("data.val_fraction=0.5", "threshold.image_rate=0.1", "threshold.pixel_rate=0.01")
        train(compose_tiny(write_tiny(root / "tiny", train=24), root / "run", *SHORT, *thresholds))
        run(compose_export(f"run_dir={root / 'run'}", f"output={root / 'export'}"))

    return once(tmp_path_factory, "served", make)


def test_a_run_and_its_export_say_the_same(made: Path) -> None:
    run, exported, detector = load_model(made / "run"), load_model(made / "export"), fae.load(made / "run")
    assert (run.name, exported.name) == ("run", "export")
    for path in sorted((made / "tiny" / "test").rglob("*.png")):
        of_run, of_export = run.detect(run.read(path)), exported.detect(exported.read(path))
        assert of_run.score == detector(path).score
        assert of_export.score == pytest.approx(of_run.score, rel=1e-2)  # the run has bf16
    assert run.threshold == detector.image_threshold
    assert exported.threshold == pytest.approx(run.threshold, rel=1e-2)
    normals = json.loads((made / "export" / "metadata.json").read_text())["normals"]
    assert exported.normals.tolist() == sorted(normals)
    assert exported.false_alarms(exported.normals[-3]) == 2
    assert exported.threshold is not None
    assert exported.percent(exported.threshold, exported.threshold) == pytest.approx(50)


def test_a_run_without_a_threshold_says_why(whole: Path) -> None:
    model, detector = load_model(whole), fae.load(whole)
    path = whole.parent / "tiny" / "test" / "square" / "000.png"
    assert model.detect(model.read(path)).score == detector(path).score
    assert model.colour_limit == detector.colour_limit
    assert model.threshold is detector.image_threshold is None, "the run is too small for a threshold"
    assert "needs at least 19 held-out normal images" in model.undefined


def test_an_evaluation_belongs_to_a_run(made: Path) -> None:
    with pytest.raises(ValueError, match=r"evaluation \(=own\) belongs to a run, but model \(=.*export\) is an export"):
        load_model(made / "export", "own")
    with pytest.raises(FileNotFoundError, match="own.pt does not exist"):
        load_model(made / "run", "own")


def test_an_engine_that_is_missing_is_named(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fae_runtime.engine.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match="onnxruntime and openvino are not installed, but this export"):
        load_model(made / "export")


def test_other_folders_are_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ValueError, match=r"model \(=.*\) is no folder of a run and no exported folder: it holds"):
            load_model(folder)
