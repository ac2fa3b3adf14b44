import csv
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from filelock import FileLock
from hydra.errors import InstantiationException
from lightning.pytorch.callbacks import Callback
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from fae.cli.schema import register
from fae.module import AnomalyAutoencoder
from fae.train import train
from fae.types import Batch
from tests.conftest import REAL, SHORT, compose_tiny, compose_train, with_real_images, write_tiny
from tests.processes import Forked

Build = Callable[..., DictConfig]
pytestmark = pytest.mark.usefixtures("unpainted")

# What may differ between two runs that must be equal.
CLOCK = {"seconds", "overrides"}


class At(Callback):
    """Does something after a step."""

    def __init__(self, step: int, action: Callable[[], None]) -> None:
        self.step, self.action = step, action

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        if trainer.global_step == self.step:
            self.action()


def weights(run: Path, name: str) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(run / name, weights_only=True)["state_dict"]
    return state


def assert_equal_runs(a: Path, b: Path) -> None:
    for name in ("last.ckpt", "best.ckpt"):
        first, second = weights(a, name), weights(b, name)
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first), name
    metrics = [json.loads((run / "metrics.json").read_text()) for run in (a, b)]
    assert {k: v for k, v in metrics[0].items() if k not in CLOCK} == {
        k: v for k, v in metrics[1].items() if k not in CLOCK
    }
    assert (a / "scores.csv").read_bytes() == (b / "scores.csv").read_bytes()


def test_run_folder(whole: Path) -> None:
    assert {p.name for p in whole.iterdir()} >= {
        "config.yaml",
        "best.ckpt",
        "last.ckpt",
        "metrics.json",
        "scores.csv",
        "heatmaps",
        "curves.png",
        "most_wrong.png",
    }
    metrics = json.loads((whole / "metrics.json").read_text())
    assert not any(isinstance(value, dict) for value in metrics.values())
    assert metrics["dataset"] == "folder:tiny"
    assert metrics["category"] == "generic"
    assert (metrics["objective"], metrics["lam"]) == ("filter", 0.5)
    assert {"k", "n", "t", "image_score", "protocol", "git_commit", "torch_version", "device"} <= metrics.keys()
    assert metrics["image_size"] == [32, 32]
    assert metrics["steps"] == 12
    assert metrics["checkpoint_step"] in (4, 8, 12)
    assert metrics["seconds"] > 0
    assert metrics["compiled"] is False
    for name in (
        *("image_auroc", "pixel_auroc", "aupro_0.3", "aupro_0.05", "image_average_precision"),
        *("pixel_average_precision", "image_best_f1", "pixel_best_f1"),
    ):
        assert 0 <= metrics[name] <= 1
        assert metrics[f"{name}_square"] == metrics[name], "the only defect type"
    for name in ("image_mean", "image_deviation", "image_darkest", "image_high_frequency"):
        assert 0.5 <= metrics[f"trivial_{name.replace('image_', 'image_auroc_')}"] <= 1
    assert 0.5 <= metrics["trivial_pixel_auroc_local_contrast"] <= 1
    config = OmegaConf.load(whole / "config.yaml")
    assert config.trainer.precision in ("bf16-mixed", "32-true")
    with (whole / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["label"]) for row in rows] == [0] * 4 + [1] * 4
    assert rows[5]["defect_type"] == "square"
    assert all(np.isfinite(float(row["score"])) for row in rows)
    pictures = sorted((whole / "heatmaps").iterdir())
    assert len(pictures) == 2
    for picture in (pictures[0], whole / "curves.png", whole / "most_wrong.png"):
        assert np.asarray(Image.open(picture)).std() > 10


def test_the_image_score_asked_for_is_the_one_reported(tiny_config: Build) -> None:
    metrics = train(tiny_config("asked", "score/image_score=top", "score.image_score.fraction=0.3"))
    assert metrics["image_auroc"] == metrics["image_auroc_by_top"]


def test_a_finished_run_is_not_trained_again(tiny_config: Build, tmp_path: Path) -> None:
    metrics = train(tiny_config("run"))
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*")}
    assert train(tiny_config("run")) == metrics
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*")}
    with pytest.raises(ValueError, match="belongs to another configuration .objective.lam 0.5 → 0.3"):
        train(tiny_config("run", "objective.lam=0.3"))


# Validations fall after steps 4, 8 and 12, changes of the crop after steps 4 and 8.
@pytest.mark.parametrize("step", [2, 4, 7, 8, 12], ids=lambda s: f"step{s}")
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_stopped_and_resumed_equals_uninterrupted(
    step: int,
    signum: int,
    whole: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cfg = compose_tiny(whole.parent / "tiny", tmp_path / "stopped")
    handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    words = ["--config-dir", "own", "experiment=quick", "run_dir=x"]
    with pytest.raises(SystemExit) as stopped:
        train(cfg, command=words, watching=[At(step, lambda: signal.raise_signal(signum))])
    assert stopped.value.code == 128 + signum
    resume = f"{sys.executable} -m fae.train --config-dir own experiment=quick run_dir={tmp_path / 'stopped'}"
    assert resume in capsys.readouterr().out
    run = tmp_path / "stopped"
    assert torch.load(run / "last.ckpt", weights_only=True)["global_step"] == step
    assert not (run / "metrics.json").exists()
    assert handlers == [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    train(compose_tiny(whole.parent / "tiny", run))
    assert_equal_runs(whole, run)


def train_and_die(cfg: DictConfig, step: int, threads: int) -> None:
    register()
    torch.set_num_threads(threads)
    train(cfg, watching=[At(step, lambda: os.kill(os.getpid(), signal.SIGKILL))])


# With last.ckpt every three steps: lost steps inside a stage, and across the change of stage after step 8.
@pytest.mark.parametrize("step", [5, 10])
def test_killed_and_resumed_equals_uninterrupted(step: int, whole: Path, tmp_path: Path, forked: Forked) -> None:
    run = tmp_path / "killed"
    cfg = compose_tiny(whole.parent / "tiny", run, "callback.last.every_n_steps=3")
    with forked.running(train_and_die, cfg, step, torch.get_num_threads()) as process:
        process.join(120)
        assert process.exitcode == -signal.SIGKILL
    assert torch.load(run / "last.ckpt", weights_only=True)["global_step"] < step
    train(cfg)
    assert_equal_runs(whole, run)


def test_a_run_may_move_and_show_less_between_stop_and_resume(
    tiny_config: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best value so far is part of the state, wherever the folder lies."""
    stop = At(9, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(SystemExit):
        train(tiny_config("here", "data.crop_sizes=[32]"), watching=[stop])
    (tmp_path / "here").rename(tmp_path / "there")
    state = torch.load(tmp_path / "there" / "last.ckpt", weights_only=True)["callbacks"]
    (key,) = (key for key in state if key.startswith("BestCheckpoint"))
    kept = (tmp_path / "there" / "best.ckpt").read_bytes()
    monkeypatch.setattr("fae.module.AnomalyAutoencoder.validation_step", constant(1e6))
    train(tiny_config("there", "data.crop_sizes=[32]", "trainer.log_every_n_steps=2", "callback.last.every_n_steps=5"))
    after = torch.load(tmp_path / "there" / "last.ckpt", weights_only=True)["callbacks"]
    assert float(after[key]["best_model_score"]) == float(state[key]["best_model_score"]) < 1
    assert (tmp_path / "there" / "best.ckpt").read_bytes() == kept


def constant(value: float) -> Callable[..., None]:
    """A validation step whose loss, and whose residual, are known."""

    def step(self: AnomalyAutoencoder, batch: Batch, batch_idx: int) -> None:
        self.val_loss.update(value)
        self.val_found["pixel"].update(torch.full_like(batch.corruption_mask, 0.5), batch.corruption_mask > 0.5)

    return step


def test_other_images_are_another_run(tiny: Path, tiny_config: Build, tmp_path: Path) -> None:
    train(tiny_config("run", *SHORT))
    again = tiny_config("run", *SHORT)
    moved = tmp_path / "moved" / "tiny"
    shutil.copytree(tiny, moved)
    again.data.root = str(moved)
    assert train(again)["steps"] == 2
    shutil.copy(tiny / "train" / "good" / "000.png", moved / "train" / "good" / "zzz.png")
    with pytest.raises(ValueError, match="was begun on other images .folder:tiny .*choose another folder"):
        train(again)


def test_two_processes_cannot_share_a_run(tiny_config: Build, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    with FileLock(tmp_path / "shared" / ".lock"), pytest.raises(ValueError, match="is in use by another process"):
        train(tiny_config("shared", *SHORT))
    assert train(tiny_config("shared", *SHORT))["steps"] == 2


def test_what_the_trainer_cannot_do_leaves_nothing(tiny_config: Build, tmp_path: Path) -> None:
    with pytest.raises(InstantiationException, match="MPSAccelerator"):
        train(tiny_config("gone", "trainer.accelerator=mps"))
    assert not (tmp_path / "gone").exists()


def test_early_stopping_survives_a_resume(tiny_config: Build, tmp_path: Path) -> None:
    """A run killed after it stopped early must not train on."""
    impatient = (
        "callback.early_stopping.patience=1",
        "+callback.early_stopping.min_delta=10",
        "data.crop_sizes=[32]",
    )
    metrics = train(tiny_config("early", *impatient))
    assert metrics["steps"] == 8
    (tmp_path / "early" / "metrics.json").unlink()
    assert train(tiny_config("early", *impatient))["steps"] == 8


def test_only_the_last_crop_stage_is_judged(tiny_config: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values that get worse would stop it after the second validation, and keep the first."""
    worse = itertools.count()

    def step(self: AnomalyAutoencoder, batch: Batch, batch_idx: int) -> None:
        constant(float(next(worse)))(self, batch, batch_idx)

    monkeypatch.setattr("fae.module.AnomalyAutoencoder.validation_step", step)
    # Crops of 16, 24 and 32 pixels, from steps 1, 5 and 9 on.
    metrics = train(tiny_config("late", "callback.early_stopping.patience=1", "trainer.val_check_interval=2"))
    assert metrics["checkpoint_step"] == 10
    assert metrics["steps"] == 12
    assert metrics["checkpoint"] == "best.ckpt: lowest val/loss on held-out normal images, last crop stage"


@pytest.mark.parametrize("objective", ["filter", "amplify"])
def test_learns_a_tiny_set(objective: str, tiny_config: Build) -> None:
    metrics = train(
        tiny_config(
            "learned",
            f"objective={objective}",
            "trainer.max_steps=150",
            "trainer.val_check_interval=25",
            "model.width=8",
            "corruption=elastic",
            "corruption.shape.size=[0.1,0.4]",
            "callback.last.every_n_steps=50",
        )
    )
    assert metrics["pixel_auroc"] > 0.9
    assert metrics["pixel_auroc"] > metrics["trivial_pixel_auroc_local_contrast"]
    assert metrics["image_auroc"] > 0.9


def test_nan_stops_with_the_reason(tiny_config: Build, tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match="the loss became NaN or infinite at or shortly before step"):
        train(tiny_config("nan", "optimizer.lr=1e30", "trainer.precision=32-true"))
    assert not (tmp_path / "nan" / "metrics.json").exists()
    for path in (tmp_path / "nan").glob("*.ckpt"):
        state = torch.load(path, weights_only=True)
        assert state["global_step"] <= 12


def test_nan_in_validation_stops_with_the_reason(
    tiny_config: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = AnomalyAutoencoder.validation_step

    def broken(self: AnomalyAutoencoder, batch: Batch, batch_idx: int) -> None:
        step(self, Batch(batch.clean, batch.corrupted * float("nan"), batch.corruption_mask), batch_idx)

    monkeypatch.setattr(AnomalyAutoencoder, "validation_step", broken)
    with pytest.raises(FloatingPointError, match="became NaN or infinite"):
        train(tiny_config("nan"))
    assert not (tmp_path / "nan" / "metrics.json").exists()


@pytest.mark.parametrize(
    ("prepare", "image", "pixel"),
    [
        (lambda d: shutil.rmtree(d / "test" / "good"), "no normal test images", None),
        (lambda d: shutil.rmtree(d / "test" / "square"), "no anomalous test images", "no anomalous test pixels"),
        (lambda d: shutil.rmtree(d / "ground_truth"), None, "no ground_truth masks"),
        (lambda d: shutil.rmtree(d / "test"), "no test images", "no test images"),
    ],
    ids=["no normals", "no defects", "no masks", "no test"],
)
def test_what_is_missing_is_undefined_not_half(
    prepare: Callable[[Path], None], image: str | None, pixel: str | None, tiny: Path, tiny_config: Build
) -> None:
    prepare(tiny)
    metrics = train(tiny_config("partial", *SHORT))
    for name, reason in (("image_auroc", image), ("pixel_auroc", pixel)):
        assert (metrics[name] is None) == (reason is not None)
        if name == "pixel_auroc":
            assert (metrics["aupro_0.3"] is None) == (metrics["aupro_0.05"] is None) == (reason is not None)
        assert metrics.get(f"{name}_undefined") == reason


def test_a_defect_type_may_be_called_threshold(tiny: Path, tiny_config: Build) -> None:
    for folder in ("test", "ground_truth"):
        (tiny / folder / "square").rename(tiny / folder / "threshold")
    metrics = train(tiny_config("named", *SHORT))
    for kind in ("image", "pixel"):
        assert metrics[f"{kind}_best_f1_threshold"] == metrics[f"{kind}_best_f1"], "the only defect type"
        assert metrics[f"{kind}_threshold_of_best_f1_threshold"] == metrics[f"{kind}_threshold_of_best_f1"]


@pytest.mark.parametrize("size", ["[20,36]", "33"])
def test_odd_sizes_train(size: str, tiny_config: Build) -> None:
    metrics = train(
        tiny_config(
            "odd",
            f"data.image_size={size}",
            "data.aspect=pad",
            "trainer.max_steps=3",
            "trainer.val_check_interval=1",
            "objective=amplify",
        )
    )
    assert metrics["pixel_auroc"] is not None


def test_the_kind_of_residual_changes_the_scores(tiny_config: Build, tmp_path: Path) -> None:
    kinds = ("squared", "ssim", "msgms", "darker", "brighter")
    runs = [train(tiny_config(kind, f"score/residual={kind}", *SHORT)) for kind in kinds]
    assert tuple(run["residual"] for run in runs) == kinds
    assert len({(tmp_path / kind / "scores.csv").read_text() for kind in kinds}) == len(kinds)
    assert len({run["pixel_auroc"] for run in runs}) == len(kinds)


def test_noise_changes_the_training_not_the_evaluation(tiny_config: Build, tmp_path: Path) -> None:
    for name, sigma in (("quiet", 0.0), ("noisy", 0.1)):
        train(tiny_config(name, f"data.noise_sigma={sigma}", "objective=amplify", *SHORT))
    first, second = weights(tmp_path / "quiet", "last.ckpt"), weights(tmp_path / "noisy", "last.ckpt")
    assert not all(torch.equal(first[key], second[key]) for key in first)


def test_bad_data_writes_nothing(tiny: Path, tiny_config: Build, tmp_path: Path) -> None:
    (tiny / "test" / "good" / "000.png").write_bytes(b"")
    with pytest.raises(ValueError, match="good/000.png cannot be read"):
        train(tiny_config("bad"))
    assert not (tmp_path / "bad").exists()


def test_a_foreign_folder_is_left_alone(tiny_config: Build, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(ValueError, match="so it is no run; choose another folder"):
        train(tiny_config("mine"))
    assert os.listdir(tmp_path / "mine") == ["thesis.txt"]


def test_online_without_a_key_is_an_error_not_a_prompt(
    tiny_config: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setattr("wandb.login", lambda **_: False)
    with pytest.raises(ValueError, match="WANDB_MODE=online needs a key"):
        train(tiny_config("online"))
    assert not (tmp_path / "online").exists()


@pytest.mark.usefixtures("unplugged")
def test_online_without_network_goes_offline(
    tiny_config: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    train(tiny_config("unplugged", *SHORT))
    assert "127.0.0.1 cannot be reached" in caplog.text
    assert "this run logs OFFLINE" in caplog.text
    assert list((tmp_path / "unplugged" / "wandb").glob("offline-run-*"))


def test_sweep_folders_are_named_by_their_configuration(tiny_config: Build, tmp_path: Path) -> None:
    def one(lam: float) -> DictConfig:
        cfg = tiny_config("x", *SHORT, f"objective.lam={lam}")
        cfg.run_dir = None
        return cfg

    for lam in (0.1, 0.9, 0.1):
        train(one(lam), sweep_dir=str(tmp_path / "sweep"))
    runs = sorted(path.parent.name for path in (tmp_path / "sweep").glob("*/metrics.json"))
    assert len(runs) == 2
    assert runs[0].startswith("folder-tiny-filter-lam0.1-seed0-")


@pytest.mark.slow
def test_the_bare_command_runs_at_full_size(tmp_path: Path) -> None:
    metrics = train(compose_train("trainer.max_steps=1", "data.batch_size=1", "data.val_corruptions=1", "pictures=1"))
    assert metrics["dataset"] == "synthetic:wood"
    assert metrics["image_size"] == [512, 512]
    assert metrics["steps"] == 1


@pytest.mark.slow
@with_real_images
def test_quick_preset_on_real_images(tmp_path: Path) -> None:
    torch.set_num_threads(os.cpu_count() or 1)
    metrics = train(
        compose_train(
            *("experiment=quick", "data=folder", f"data.root={REAL / 'piped' / 'PA_FLR01_TL'}", "category=generic"),
            f"run_dir={tmp_path / 'run'}",
        )
    )
    torch.set_num_threads(1)
    assert metrics["pixel_auroc"] >= 0.99
    assert metrics["image_auroc"] >= 0.99


@pytest.mark.slow
def test_installed_wheel_and_console_script_work_from_anywhere(tmp_path: Path) -> None:
    project = Path(__file__).parents[1]
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(project)], check=True)
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    install = [str(venv / "bin" / "pip"), "install", "--quiet", "--constraint", str(project / "requirements.lock")]
    subprocess.run([*install, str(wheel)], check=True)
    data = write_tiny(tmp_path / "elsewhere" / "tiny")
    subprocess.run(
        [
            str(venv / "bin" / "fae-train"),
            "experiment=quick",
            "data=folder",
            f"data.root={data}",
            "category=generic",
            "run_dir=out",
            "model.width=2",
            "data.image_size=32",
            "trainer.max_steps=2",
        ],
        cwd=data.parent,
        check=True,
    )
    metrics = json.loads((data.parent / "out" / "metrics.json").read_text())
    assert metrics["dataset"] == "folder:tiny"
    assert metrics["git_commit"] is None
    for command, extra in (("fae-report", "report"), ("fae-dashboard", "dashboard")):
        words = [str(venv / "bin" / command), "sweep_dir=." if extra == "report" else "project=fae"]
        refused = subprocess.run(words, cwd=data.parent, capture_output=True, text=True, check=False)
        assert refused.returncode == 1
        assert f'comes with the extra "{extra}"' in refused.stderr
        subprocess.run([*install, f"{wheel}[{extra}]"], check=True)
        subprocess.run(words, cwd=data.parent, check=True)
    assert "folder:tiny" in (data.parent / "report.html").read_text()


def test_bare_command_composes_at_full_size() -> None:
    cfg = compose_train()
    assert cfg.model.width == 64
    assert cfg.data.image_size == 512
    assert cfg.data.source._target_ == "fae.data.auto.auto"
