"""Whole runs with a region of interest: what lies outside changes nothing, and a defect inside is found."""

import csv
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from PIL import Image
from torch import Tensor, nn

import fae
from fae.evaluate import evaluate
from fae.train import train
from tests.conftest import compose_command, compose_tiny, moved, once, textured, write_tiny
from tests.test_features import compose_features
from tests.test_train import CLOCK, At, assert_equal_runs, weights

Compose = Callable[..., DictConfig]
LEFT = np.repeat(np.arange(32)[None] < 18, 32, axis=0)


class Pixelwise(nn.Module):
    """A network that sees no neighbours, so that nothing outside of a region can reach it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, width, 1), nn.ReLU(), nn.Conv2d(width, 3, 1), nn.Sigmoid())

    def forward(self, image: Tensor) -> Tensor:
        found: Tensor = self.layers(image)
        return found


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def marked(root: Path, outside: int) -> Path:
    """Write a data set and its region `roi.png`: what lies outside are stripes and marks of a seed."""
    rng, other = np.random.default_rng(0), np.random.default_rng(outside)

    def picture(square: bool, mark: bool) -> np.ndarray:
        image = np.where(LEFT[..., None], textured(rng), textured(other)).astype(np.uint8)
        if square:
            image[10:16, 4:10] = 250
        if mark:
            image[10:16, 24:30] = 250
        return image

    for i in range(24):
        save(root / "train" / "good" / f"{i:03d}.png", picture(False, bool(other.integers(2))))
    for i in range(4):
        save(root / "test" / "good" / f"{i:03d}.png", picture(False, True))
        save(root / "test" / "square" / f"{i:03d}.png", picture(True, bool(other.integers(2))))
        mask = np.zeros((32, 32), np.uint8)
        mask[10:16, 4:10] = 255
        save(root / "ground_truth" / "square" / f"{i:03d}_mask.png", mask)
    save(root / "roi.png", LEFT.astype(np.uint8) * 255)
    return root


THRESHOLDS = ("data.val_fraction=0.5", "threshold.image_rate=0.1", "threshold.pixel_rate=0.01", "pictures=0")


def scores(run: Path) -> list[float]:
    with (run / "scores.csv").open(newline="") as file:
        return [float(row["score"]) for row in csv.DictReader(file)]


@pytest.mark.usefixtures("unpainted")
def test_nothing_outside_changes_a_run(tmp_path: Path) -> None:
    """Training, validation, thresholds, scores, metrics, the search and the detector, to the bit."""
    found: list[dict[str, Any]] = []
    for outside in (1, 2):
        data, run = marked(tmp_path / f"d{outside}", outside), tmp_path / f"run{outside}"
        words = ("corruption=cut_out", "corruption@unseen=cut_out", "data.twins=null", "trainer.precision=32-true")
        cfg = compose_tiny(data, run, *words, *THRESHOLDS, "score.t=20", "score/image_score=contrast")
        cfg.model = {"_target_": "tests.test_roi.Pixelwise", "width": 4}
        cfg.data.roi = str(data / "roi.png")
        metrics = train(cfg)
        searched = evaluate(compose_command("evaluate", f"run_dir={run}", "grid=default", "select=validation"))
        detector = fae.load(run)
        found.append(
            {f"train {key}": value for key, value in metrics.items()}
            | {f"evaluate {key}": value for key, value in searched.items()}
            | {"scores": scores(run), "normals": detector.normals.tolist(), "limit": detector.colour_limit}
            | {"weights": [value.tolist() for value in weights(run, "best.ckpt").values()]}
        )
    different = {key for key in found[0] if found[0][key] != found[1].get(key)}
    assert {key.partition(" ")[2] for key in different} <= {*CLOCK, "dataset", "overrides", "notes"}
    assert found[0].keys() == found[1].keys()


def compose_marked(kind: str, root: Path, name: str, *words: str) -> DictConfig:
    if kind == "pixel":
        cfg = compose_tiny(root / "d", root / name, "trainer.precision=32-true", *THRESHOLDS, *words)
    else:
        cfg = compose_features(root / "d", root / name, *THRESHOLDS, *words)
    cfg.data.roi = str(root / "d" / "roi.png")
    return cfg


@pytest.mark.parametrize("kind", ["pixel", "features"])
def test_a_defect_inside_is_found_and_one_outside_does_not_count(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run = marked(tmp_path / "d", 0), tmp_path / "run"
    mask = np.zeros((32, 32), np.uint8)
    mask[10:16, 24:30] = 255
    save(data / "test" / "mark" / "000.png", np.asarray(Image.open(data / "test" / "good" / "000.png")))
    save(data / "ground_truth" / "mark" / "000_mask.png", mask)
    metrics = train(compose_marked(kind, tmp_path, "run", "pictures=4", "score/image_score=max"))
    assert metrics["test_images"] == 8, "the image whose defect lies outside is left out"
    assert metrics["image_auroc"] == 1, "good test images have a mark outside"
    assert metrics["pixel_auroc"] > (0.9 if kind == "pixel" else 0.8), "cells of features are as large as the square"
    assert any("have no defect in the region of interest" in note for note in metrics["notes"])

    detector = fae.load(run)
    with (run / "scores.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            found = detector(row["path"])
            assert found.score == pytest.approx(float(row["score"]), rel=1e-4)
            assert not found.anomaly_map[~LEFT].any()
            if row["defect_type"] == "good":
                assert detector(row["path"], np.ones((32, 32), bool)).score > found.score, (
                    "the mark outside would count"
                )
            assert found.mask is not None
            assert not found.mask[~LEFT].any()
            assert detector.percent(found.score) == pytest.approx(float(row["anomaly_percent"]), abs=0.01)
            assert (detector.percent(found.score) > 50) == found.anomalous
    assert detector.normals.tolist() == sorted(detector.normals.tolist())
    assert len(detector.normals) == metrics["val_images"]
    assert len(list((run / "heatmaps").iterdir())) == 4


@pytest.mark.usefixtures("unpainted")
def test_a_resumed_run_equals_an_uninterrupted_one_and_another_region_is_refused(tmp_path: Path) -> None:
    marked(tmp_path / "d", 0)
    train(compose_marked("pixel", tmp_path, "whole"))
    with pytest.raises(SystemExit):
        train(
            compose_marked("pixel", tmp_path, "halves"), watching=[At(6, lambda: signal.raise_signal(signal.SIGTERM))]
        )
    elsewhere = tmp_path / "moved.png"
    elsewhere.write_bytes((tmp_path / "d" / "roi.png").read_bytes())
    again = compose_marked("pixel", tmp_path, "halves")
    again.data.roi = None
    with pytest.raises(ValueError, match="was begun on other images .* or with another data.roi; choose"):
        train(again)
    save(tmp_path / "other.png", (~LEFT).astype(np.uint8))
    again.data.roi = str(tmp_path / "other.png")
    with pytest.raises(ValueError, match="was begun on other images .* or with another data.roi; choose"):
        train(again)
    again.data.roi = str(elsewhere)
    train(again)
    assert_equal_runs(tmp_path / "whole", tmp_path / "halves")


@pytest.fixture(scope="session")
def with_region(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with a region of interest, to look at."""

    def make(root: Path) -> None:
        marked(root / "d", 0)
        train(compose_marked("pixel", root, "run"))

    return once(tmp_path_factory, "with_region", make) / "run"


def test_a_detector_takes_a_region_for_each_image(with_region: Path) -> None:
    detector = fae.load(with_region)
    image = np.asarray(Image.open(with_region.parent / "d" / "test" / "square" / "000.png"))
    own, same, right = detector.batch([image] * 3, [None, LEFT, (~LEFT).astype(np.uint8)])
    assert np.array_equal(own.anomaly_map, same.anomaly_map)
    assert own.score == pytest.approx(same.score, rel=1e-6)
    assert not right.anomaly_map[LEFT].any()
    assert right.anomaly_map[~LEFT].any()
    assert detector(image, ~LEFT).score == pytest.approx(right.score, rel=1e-5)
    with pytest.raises(ValueError, match=r"roi \(shape \(8, 8\)\) must have the height and width of its image, 32×32"):
        detector(image, np.ones((8, 8), np.uint8))
    with pytest.raises(ValueError, match="the region of interest marks no pixel of an image of 32×32 pixels"):
        detector(image, np.zeros((32, 32), bool))
    with pytest.raises(ValueError, match="zip"):
        detector.batch([image] * 2, [None])


@pytest.mark.parametrize("size", ["run", "native"])
def test_a_region_follows_an_image_of_another_size(size: str, with_region: Path) -> None:
    detector = fae.load(with_region, size=size)
    image = Image.open(with_region.parent / "d" / "test" / "square" / "000.png").resize((70, 90))
    found = detector(np.asarray(image))
    judged = np.asarray(Image.fromarray(LEFT).resize((70, 90), Image.Resampling.NEAREST))
    assert not found.anomaly_map[~judged].any()
    assert (found.anomaly_map[judged] > 0).mean() > 0.99
    if size == "native":
        assert detector.normals is None
        assert detector.percent(1.0) is None


def test_a_threshold_of_ones_own_moves_the_centre_of_per_cent(with_region: Path) -> None:
    detector = fae.load(with_region)
    before, threshold = detector.percent(detector.image_threshold + 0.1), detector.image_threshold
    assert detector.percent(threshold) == 50
    detector.image_threshold = threshold + 1
    assert detector.percent(threshold + 1) == 50
    assert detector.percent(threshold + 1.1) == pytest.approx(before)
    detector.image_threshold = None
    assert detector.percent(threshold) is None


def test_a_detector_of_an_older_version_is_read(whole: Path, tmp_path: Path) -> None:
    run = moved(whole, tmp_path / "older")
    state = torch.load(run / "detector.pt", weights_only=True)
    assert state["roi"] is None
    del state["roi"], state["normals"]
    torch.save(state, run / "detector.pt")
    detector = fae.load(run)
    assert detector.normals is None
    assert detector.percent(1.0) is None
    image = Path(whole.parent / "tiny" / "test" / "square" / "000.png")
    assert detector(image).score == fae.load(whole)(image).score


def test_an_objective_that_takes_no_region_is_refused(tmp_path: Path) -> None:
    write_tiny(tmp_path / "d")
    save(tmp_path / "d" / "roi.png", LEFT.astype(np.uint8))
    cfg = compose_marked("pixel", tmp_path, "run")
    cfg.objective = {"_target_": "tests.test_roi.Deaf"}
    with pytest.raises(ValueError, match=r"objective \(Deaf\) takes no roi, so that data.roi would not"):
        train(cfg)
    assert not (tmp_path / "run").exists()


class Deaf(nn.Module):
    """An objective of the time before regions of interest."""

    def forward(self, reconstruction: Tensor, clean: Tensor, corrupted: Tensor, corruption_mask: Tensor) -> Tensor:
        raise AssertionError


def test_an_evaluation_finds_a_region_that_has_moved(with_region: Path, tmp_path: Path) -> None:
    run = moved(with_region, tmp_path / "again")
    (tmp_path / "again" / "d" / "roi.png").rename(tmp_path / "roi.png")
    metrics = evaluate(compose_command("evaluate", f"run_dir={run}", f"data.roi={tmp_path / 'roi.png'}", "name=again"))
    before = json.loads((with_region / "metrics.json").read_text())
    assert metrics["image_auroc"] == before["image_auroc"]
    assert metrics["pixel_threshold"] == before["pixel_threshold"]
    assert fae.load(run, "again").normals.tolist() == fae.load(with_region).normals.tolist()
