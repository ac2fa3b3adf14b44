"""Predictions by an export: those of the light runtime, which has the scores of the run."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fae.machine.extra import MissingExtraError
from fae.predict import predict
from fae_runtime import Detector
from tests.conftest import compose_command, once
from tests.predict.conftest import compose_predict, rows
from tests.runtime.exported import THRESHOLDS, change, picture, write_export


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for i in range(6):
        image = Image.fromarray(picture(i, 40, 50 + 10 * (i % 2)))
        (image if i else image.convert("L")).save(tmp_path / "in" / f"{i}.png")  # a grey one scores 0
    return tmp_path / "in"


def test_an_export_predicts_like_its_run(
    run_dir: Path, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    def make(root: Path) -> None:
        from fae.export.__main__ import run as export  # seconds, which most tests need not wait for

        export(compose_command("export", f"run_dir={run_dir}", f"output={root / 'export'}"))

    exported = once(tmp_path_factory, "predicted-export", make) / "export"
    for name, model in (("run", run_dir), ("export", exported)):
        words = (
            f"input={run_dir.parent / 'tiny' / 'test' / 'square'}",
            f"output={tmp_path / name}",
            "threshold.image=2",
        )
        assert predict(compose_predict(f"run_dir={model}", *words, "threads=2", "batch_size=3")) == 0
    found, expected = rows(tmp_path / "export"), rows(tmp_path / "run")
    assert list(found) == list(expected)
    for name, row in expected.items():
        assert float(found[name]["score"]) == pytest.approx(float(row["score"]), rel=1e-4)
    maps = [sorted((tmp_path / name / "maps").rglob("*.tiff")) for name in ("run", "export")]
    for one, other in zip(*maps, strict=True):
        first, second = np.asarray(Image.open(one)), np.asarray(Image.open(other))
        assert abs(first - second).max() <= 1e-4 * first.max()


def test_an_export_takes_thresholds_and_tells_why_it_has_none(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = write_export(tmp_path / "export")
    detector = Detector.load(export)
    words = (f"run_dir={export}", f"input={folder}")
    predict(compose_predict(*words, f"output={tmp_path / 'o'}", "maps=anomalous"))
    for name, row in rows(tmp_path / "o").items():
        found = detector(folder / name)
        assert float(row["score"]) == pytest.approx(found.score, rel=1e-6)
        assert float(row["anomaly_percent"]) == pytest.approx(detector.percent(found.score), rel=1e-4)
        assert row["anomalous"] == str(found.score > THRESHOLDS[0])
        assert int(row["area"]) == (found.anomaly_map > THRESHOLDS[1]).sum()
    assert 0 < len(list((tmp_path / "o" / "maps").iterdir())) < 6
    predict(compose_predict(*words, f"output={tmp_path / 'p'}", "threshold.image=-1", "threshold.pixel=2"))
    assert {(row["anomalous"], row["area"]) for row in rows(tmp_path / "p").values()} == {("True", "0")}
    change(export, thresholds={"image": None, "pixel": 0.5, "image_undefined": "there are 3 held-out images"})
    capsys.readouterr()
    predict(compose_predict(*words, f"output={tmp_path / 'q'}"))
    said = capsys.readouterr().out
    assert "NOTE: no decisions are made: there are 3 held-out images; or set threshold.image yourself" in said
    assert {(row["anomalous"], row["anomaly_percent"]) for row in rows(tmp_path / "q").values()} == {("", "")}


def test_an_export_at_the_images_own_size(folder: Path, tmp_path: Path) -> None:
    export = write_export(tmp_path / "export", size="native", aspect=None, multiple_of=1)
    assert (
        predict(compose_predict(f"run_dir={export}", f"input={folder}", f"output={tmp_path / 'o'}", "threads=2")) == 0
    )
    assert len(rows(tmp_path / "o")) == 6


@pytest.mark.parametrize("word", ["evaluation=own", "size=native", "tile=16", "overlap=8", "device=cpu"])
def test_keys_of_runs_are_refused(word: str, folder: Path, tmp_path: Path) -> None:
    key, _, value = word.partition("=")
    export = write_export(tmp_path / "export")
    with pytest.raises(ValueError, match=rf"{key} \(={value}\) has no meaning for the export run_dir \(=.*\); leave"):
        predict(compose_predict(f"run_dir={export}", f"input={folder}", f"output={tmp_path / 'o'}", word))


def test_an_export_with_a_region_for_each_image_judges_whole_ones_and_says_so(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, roi in (("each", "each"), ("none", None)):
        export = write_export(tmp_path / name, roi=roi)
        assert predict(compose_predict(f"run_dir={export}", f"input={folder}", f"output={tmp_path / 'o' / name}")) == 0
        assert ("NOTE: whole images are judged" in capsys.readouterr().out) == (name == "each")


def test_exports_that_cannot_be_used(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = (f"input={folder}", f"output={tmp_path / 'o'}")
    changed = write_export(tmp_path / "changed")
    (changed / "model.onnx").write_bytes(b"another graph")
    with pytest.raises(ValueError, match="is not the file that was exported"):
        predict(compose_predict(f"run_dir={changed}", *words))
    export = write_export(tmp_path / "export")
    monkeypatch.setattr("fae_runtime.engine.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=f"onnxruntime and openvino are not installed.*{sys.executable}"):
        predict(compose_predict(f"run_dir={export}", *words))
    assert not (tmp_path / "o").exists()
