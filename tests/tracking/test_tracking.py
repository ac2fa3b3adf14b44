import csv
import json
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from PIL import Image

import fae
from fae.callback.reconstructions import KEY, Reconstructions, draw
from fae.train import train
from fae.types import Batch
from tests.conftest import SHORT, Inspect, compose_tiny, history, write_tiny
from tests.test_train import At, assert_equal_runs

Build = Callable[..., DictConfig]
Records = list[dict[str, Any]]


@pytest.fixture(scope="module")
def records(tracked: Path, inspected: Inspect) -> Records:
    return inspected(tracked / "wandb")


def one(records: Records, kind: str) -> dict[str, Any]:
    (found,) = (record[kind] for record in records if record["type"] == kind)
    return dict(found)


def steps(records: Records, key: str) -> list[int]:
    return [row["trainer/global_step"] for row in history(records) if key in row or f"{key}._type" in row]


def files(records: Records, name: str) -> dict[str, Path]:
    """Of an artifact: names to where they lie on disk."""
    (artifact,) = (r["artifact"] for r in records if r["type"] == "artifact" and r["artifact"]["name"] == name)
    return {entry["path"]: Path(entry["local_path"]) for entry in artifact["manifest"]["contents"]}


def test_an_offline_run_is_finished_and_says_what_it_is(tracked: Path, records: Records) -> None:
    assert one(records, "exit")["exit_code"] == 0
    run = one(records, "run")
    assert run["run_id"] == json.loads((tracked / "origin.json").read_text())["wandb_id"]
    assert run["project"] == "fae"
    assert run["tags"] == ["folder", "generic", "mix", "filter", "lam=0.5", "mine"]
    assert "run_group" not in run
    config: dict[str, Any] = {}
    for record in records:
        if record["type"] == "config":
            config |= record["config"]["update"]
    assert (config["objective"]["lam"], config["score"]["k"], config["category"]["name"]) == (0.5, 5, "generic")


def test_an_offline_run_holds_the_metrics_and_the_curves(tracked: Path, records: Records) -> None:
    metrics = json.loads((tracked / "metrics.json").read_text())
    summary: dict[str, Any] = {}
    for record in records:
        if record["type"] == "summary":
            summary |= record["summary"]["update"]
    for key in ("image_auroc", "pixel_auroc", "aupro_0.3", "protocol", "lam", "k", "git_commit"):
        assert summary[key] == metrics[key], key
    for key in ("train/loss", "train/normal", "train/corrupted", "lr-Adam"):
        assert steps(records, key) == list(range(12)), key
    for key in ("val/loss", "val/restoration_error", "val/normal_error", "val/pixel_auroc", KEY):
        assert steps(records, key) == [3, 7, 11], key


def test_an_offline_run_shows_pictures(tracked: Path, records: Records) -> None:
    media = next((tracked / "wandb").glob("offline-run-*")) / "files"
    rows = {key: row for row in history(records) for key in row}
    shown = rows["heatmaps.filenames"]["heatmaps.filenames"]
    assert len(shown) == len(list((tracked / "heatmaps").iterdir())) == 2
    for name in [*shown, *(rows[f"{page}.filenames"][f"{page}.filenames"][0] for page in ("curves", "most_wrong"))]:
        assert np.asarray(Image.open(media / name)).std() > 10
    rows_of_key = [row for row in history(records) if f"{KEY}.path" in row]
    first, *_, last = (np.asarray(Image.open(media / row[f"{KEY}.path"])).astype(int) for row in rows_of_key)
    assert first.shape == last.shape
    column = first.shape[1] // 5
    changed = [np.abs(first - last)[44:, i * column : (i + 1) * column].mean() for i in range(5)]
    assert max(changed[:3]) == 0, "clean, corrupted and mask are the same in every validation"
    assert min(changed[3:]) > 0, "what the network makes of them is not"


def test_curves_of_an_offline_run(tracked: Path, records: Records) -> None:
    run_id = one(records, "run")["run_id"]
    metrics = json.loads((tracked / "metrics.json").read_text())
    for key, area in (("roc_images", "image_auroc"), ("roc_pixels", "pixel_auroc"), ("pro", "aupro_0.3")):
        table = json.loads(files(records, f"run-{run_id}-{key}_table")[f"{key}_table.table.json"].read_text())
        assert table["columns"] == ["step", "lineKey", "lineVal"]
        assert {name for _, name, _ in table["data"]} == {f"{t} {metrics[area]:.3f}" for t in ("all", "square")}
        points = np.array([(x, y) for x, name, y in table["data"] if name.startswith("all")])
        assert points[0].tolist() == [0, 0]
        assert (np.diff(points, axis=0) >= 0).all()
        if key != "pro":
            assert np.trapezoid(points[:, 1], points[:, 0]) == pytest.approx(metrics[area], abs=0.01)


def test_the_table_has_a_row_for_each_test_image(tracked: Path, records: Records) -> None:
    own = files(records, f"run-{one(records, 'run')['run_id']}-predictions")
    table = json.loads(own["predictions.table.json"].read_text())
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    with (tracked / "scores.csv").open() as file:
        expected = {row["path"]: row for row in csv.DictReader(file)}
    assert len(rows) == len(expected) == 8
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
    for row in rows:
        assert row["score"] == float(expected[row["path"]]["score"])
        assert row["defect_type"] == expected[row["path"]]["defect_type"]
        assert row["decision"] is None, "two held-out images are too few for a threshold"
        shown = [np.asarray(Image.open(own[row[key]["path"]])) for key in table["columns"][:4]]
        assert {picture.shape for picture in shown} == {(32, 32, 3)}
        original = np.asarray(Image.open(row["path"])).astype(int)
        assert np.abs(shown[0] - original).mean() < 10, "JPEG"
        assert np.abs(shown[3] - original).mean() > 10, "the overlay"


def test_the_model_is_an_artifact_to_load(tracked: Path, records: Records, tmp_path: Path) -> None:
    for name, path in files(records, f"model-{one(records, 'run')['run_id']}").items():
        shutil.copy(path, tmp_path / name)
    detector = fae.load(tmp_path)
    with (tracked / "scores.csv").open() as file:
        for row in csv.DictReader(file):
            assert detector(row["path"]).score == pytest.approx(float(row["score"]), rel=1e-4)


def test_disabled_does_nothing_and_changes_nothing(
    tracked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "fae.callback.reconstructions.draw",
        "fae.evaluation.finish.log_results",
        "fae.evaluation.finish.log_model",
    ):
        monkeypatch.setattr(name, lambda *_: pytest.fail("work for nobody"))
    train(compose_tiny(tracked.parent / "tiny", tmp_path / "run", "logger.log_model=true"))
    assert not [path for path in (tmp_path / "run" / "wandb").rglob("*") if path.is_file()]
    assert_equal_runs(tracked, tmp_path / "run")


def crash() -> None:
    raise RuntimeError("power cut")


@pytest.mark.parametrize(
    ("step", "every", "action", "error"),
    [
        (6, 1, lambda: signal.raise_signal(signal.SIGTERM), SystemExit),
        (8, 1, lambda: signal.raise_signal(signal.SIGTERM), SystemExit),
        (7, 3, crash, RuntimeError),
    ],
    ids=["stopped", "stopped at a validation", "lost a step"],
)
def test_a_resumed_run_is_one_offline_run(
    step: int,
    every: int,
    action: Callable[[], None],
    error: type[BaseException],
    tracked: Path,
    records: Records,
    inspected: Inspect,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    cfg = compose_tiny(tracked.parent / "tiny", tmp_path / "run", f"callback.last.every_n_steps={every}")
    with pytest.raises(error):
        train(cfg.copy(), watching=[At(step, action)])
    (abandoned,) = (tmp_path / "run" / "wandb").glob("offline-run-*")
    train(cfg)
    (kept,) = (tmp_path / "run" / "wandb").glob("offline-run-*")
    resumed = inspected(kept)
    assert one(resumed, "run")["run_id"] == abandoned.name.rpartition("-")[2]
    assert one(resumed, "exit")["exit_code"] == 0
    for key in ("train/loss", "lr-Adam", "val/loss", KEY):
        assert steps(resumed, key) == steps(records, key), key
    for key in ("train/loss", "val/loss", "lr-Adam"):
        assert [r[key] for r in history(resumed) if key in r] == [r[key] for r in history(records) if key in r]
    assert_equal_runs(tracked, tmp_path / "run")


@pytest.mark.usefixtures("unpainted")
def test_a_sweep_in_one_process_is_as_many_wandb_runs_in_one_folder(
    tmp_path: Path, inspected: Inspect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    data, sweep = write_tiny(tmp_path / "tiny", good=1, bad=1), tmp_path / "sweep"
    configurations = [(lam, seed) for lam in (0.2, 0.8) for seed in (0, 1)]
    for lam, seed in configurations:
        cfg = compose_tiny(data, tmp_path, *SHORT, f"objective.lam={lam}", f"seed={seed}", "pictures=1")
        cfg.run_dir = None
        if (lam, seed) == configurations[-1]:
            with pytest.raises(SystemExit):
                train(cfg, str(sweep), watching=[At(1, lambda: signal.raise_signal(signal.SIGTERM))])
            cfg.run_dir = str(next(sweep.glob("*lam0.8-seed1*")))
            train(cfg)  # as the command that is printed when a run stops, which knows nothing of the sweep
        else:
            train(cfg, sweep_dir=str(sweep))
    runs = [path.parent for path in sweep.glob("*/metrics.json")]
    assert len(runs) == 4
    assert not [run for run in runs if (run / "wandb").exists()]
    found = [inspected(folder) for folder in (sweep / "wandb").glob("offline-run-*")]
    described = [one(records, "run") for records in found]
    assert Counter(run["run_id"] for run in described) == Counter(
        json.loads((run / "origin.json").read_text())["wandb_id"] for run in runs
    )
    assert len({run["run_id"] for run in described}) == len(described) == 4
    assert {run["run_group"] for run in described} == {"sweep"}
    assert Counter(tag for run in described for tag in run["tags"] if "lam" in tag) == {
        f"lam={lam}": 2 for lam in (0.2, 0.8)
    }
    assert {one(records, "exit")["exit_code"] for records in found} == {0}
    assert all(steps(records, "train/loss") == [0, 1] for records in found)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "sweep", "tiny"]


@pytest.mark.slow
def test_a_sweep_in_parallel_processes_is_as_many_wandb_runs(
    tmp_path: Path, inspected: Inspect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    data = write_tiny(tmp_path / "tiny")
    command = [
        *(sys.executable, "-m", "fae.train", "-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
        *("experiment=quick", "data=folder", f"data.root={data}", "category=generic", "model.width=2"),
        *("data.image_size=32", "pictures=1", "trainer.enable_progress_bar=false", "~callback.progress"),
        *(*SHORT, "objective.lam=0.2,0.4,0.6,0.8"),
    ]
    subprocess.run(command, cwd=tmp_path, check=True)
    found = [inspected(folder) for folder in (tmp_path / "multirun" / "default" / "wandb").glob("offline-run-*")]
    assert sorted(one(records, "run")["tags"][4] for records in found) == [f"lam={lam}" for lam in (0.2, 0.4, 0.6, 0.8)]
    assert {one(records, "exit")["exit_code"] for records in found} == {0}


def test_reconstructions_are_drawn_where_the_headings_say() -> None:
    """Each column from the tensor that its heading names, and the brightest residual where it reaches the limit."""
    clean, corrupted = torch.full((2, 3, 20, 40), 0.2), torch.full((2, 3, 20, 40), 0.4)
    mask = torch.zeros(2, 1, 20, 40)
    mask[1] = 1
    residual = torch.full((2, 1, 20, 40), 0.5)
    residual[0] = 0
    page = draw(Batch(clean, corrupted, mask), torch.full_like(clean, 0.6), residual, limit=0.5, step=7)
    column, row = page.shape[1] // 5, (page.shape[0] - 40) // 2
    pixels = [[page[40 + i * row + row // 2, j * column + column // 2].tolist() for j in range(5)] for i in range(2)]
    assert [pixel[0] for pixel in pixels[0][:4]] == [51, 102, 0, 153]
    assert [pixel[0] for pixel in pixels[1][:4]] == [51, 102, 255, 153]
    assert sum(pixels[0][4]) < 10
    assert min(pixels[1][4][:2]) > 240


def test_reconstructions_every_other_validation(
    tmp_path: Path, inspected: Inspect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    data = write_tiny(tmp_path / "tiny")
    every = "callback.reconstructions.every_n_validations=2"
    train(compose_tiny(data, tmp_path / "run", "trainer.max_steps=4", "trainer.val_check_interval=1", every))
    assert steps(inspected(tmp_path / "run"), KEY) == [1, 3]


@pytest.mark.parametrize("argument", ["images", "every_n_validations"])
def test_reconstructions_refuse_nothing_to_show(argument: str) -> None:
    with pytest.raises(ValueError, match=f"{argument} .=0. must be at least 1"):
        Reconstructions(**{"images": 4, "every_n_validations": 1} | {argument: 0})


def test_a_checkpoint_of_an_older_version_has_no_history(tmp_path: Path) -> None:
    data = write_tiny(tmp_path / "tiny")
    cfg = compose_tiny(data, tmp_path / "run", *SHORT)
    with pytest.raises(SystemExit):
        train(cfg.copy(), watching=[At(1, lambda: signal.raise_signal(signal.SIGTERM))])
    checkpoint = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)
    assert len(checkpoint.pop("history")) > 0
    torch.save(checkpoint, tmp_path / "run" / "last.ckpt")
    origin = json.loads((tmp_path / "run" / "origin.json").read_text())
    del origin["wandb_id"], origin["sweep"]
    (tmp_path / "run" / "origin.json").write_text(json.dumps(origin))
    assert train(cfg)["steps"] == 2
