"""Predictions by an export. The runtime itself is another distribution; a detector with its interface stands in."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from fae.image import Array, read_image
from fae.predict import predict
from tests.conftest import textured
from tests.predict.conftest import compose_predict, rows


class Found(NamedTuple):
    anomaly_map: np.ndarray
    score: float
    anomalous: bool | None
    mask: np.ndarray | None


class Runtime:
    """The calls of `fae_runtime.Detector`; the score is the mean intensity."""

    colour_limit, identity = 0.02, "0123456789abcdef"
    image_threshold: float | None = None
    pixel_threshold: float | None = None

    def __init__(self, metadata: dict) -> None:
        self.metadata = metadata

    @classmethod
    def load(cls, folder: Path, engine: str | None = None, threads: int | None = None) -> "Runtime":
        assert threads is not None
        return cls(json.loads((folder / "metadata.json").read_text()))

    def read(self, path: Path) -> Array:
        return read_image(path)

    def batch(self, images: Sequence[Array]) -> list[Found]:
        if self.metadata["image"]["size"] == "native" and len({image.shape for image in images}) > 1:
            raise ValueError("images have several sizes")
        return [self._found(image.mean(axis=2, dtype=np.float32)) for image in images]

    def _found(self, grey: np.ndarray) -> Found:
        score, limit, pixel = float(grey.mean()), self.image_threshold, self.pixel_threshold
        return Found(grey, score, None if limit is None else score > limit, None if pixel is None else grey > pixel)

    def percent(self, score: float) -> float | None:
        return None if self.image_threshold is None else 100 / (1 + np.exp(self.image_threshold - score))


@pytest.fixture
def export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    module = ModuleType("fae_runtime")
    module.Detector = Runtime  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fae_runtime", module)
    described(tmp_path / "export", size="run")
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(0)
    for i in range(5):
        Image.fromarray(textured(rng, 32, 32 + 8 * (i % 2))).save(tmp_path / "in" / f"{i}.png")
    return tmp_path / "export"


def described(folder: Path, **image: object) -> None:
    facts = {"height": 32, "width": 32, "size": "run", "roi": None} | image
    why = {"image_undefined": "there are 3 held-out images", "pixel_undefined": None}
    folder.mkdir(exist_ok=True)
    (folder / "metadata.json").write_text(json.dumps({"image": facts, "thresholds": why}))


def test_an_export_predicts_like_a_run(export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (f"run_dir={export}", f"input={tmp_path / 'in'}", f"output={tmp_path / 'o'}", "threshold.pixel=150")
    assert predict(compose_predict(*words)) == 0
    said = capsys.readouterr().out
    assert "NOTE: no decisions are made: there are 3 held-out images; or set threshold.image yourself" in said
    for name, row in rows(tmp_path / "o").items():
        grey = read_image(tmp_path / "in" / name).mean(axis=2, dtype=np.float32)
        assert float(row["score"]) == pytest.approx(float(grey.mean()))
        assert (int(row["area"]), row["anomalous"], row["percent"]) == ((grey > 150).sum(), "", "")
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "o" / "maps" / f"{name}.tiff")), grey)
    predict(compose_predict(*words[:2], f"output={tmp_path / 'p'}", "threshold.image=128", "maps=anomalous"))
    for row in rows(tmp_path / "p").values():
        assert row["anomalous"] == str(float(row["score"]) > 128) == str(float(row["percent"]) > 50)
        assert row["area"] == ""


def test_an_export_at_the_images_own_size(export: Path, tmp_path: Path) -> None:
    described(export, size="native")
    words = (f"run_dir={export}", f"input={tmp_path / 'in'}", f"output={tmp_path / 'o'}", "threads=2")
    assert predict(compose_predict(*words)) == 0


@pytest.mark.parametrize("word", ["evaluation=own", "size=native", "tile=16", "overlap=8", "device=cpu"])
def test_keys_of_runs_are_refused(word: str, export: Path, tmp_path: Path) -> None:
    key, _, value = word.partition("=")
    with pytest.raises(ValueError, match=rf"{key} \(={value}\) has no meaning for the export run_dir \(=.*\); leave"):
        predict(compose_predict(f"run_dir={export}", f"input={tmp_path / 'in'}", f"output={tmp_path / 'o'}", word))


def test_an_export_with_a_region_for_each_image_is_refused(export: Path, tmp_path: Path) -> None:
    described(export, roi="each")
    with pytest.raises(ValueError, match="needs a region of interest for each image"):
        predict(compose_predict(f"run_dir={export}", f"input={tmp_path / 'in'}", f"output={tmp_path / 'o'}"))
