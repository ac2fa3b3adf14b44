"""Several processes (gloo) do what one does."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from omegaconf import DictConfig

from fae.evaluate import evaluate
from fae.train import train
from tests.test_evaluate import compose_evaluate

Build = Callable[..., DictConfig]
ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("forked")  # whose server forks the processes of a run, too

# Three short steps of plain gradient descent: Adam would turn the rounding of gradients near zero into whole steps, and
# with a rate of 0.01 rounding grows tenfold a step, on some processors to 2e-3.
PLAIN = (
    *("optimizer._target_=torch.optim.SGD", "optimizer.lr=0.001", "scheduler=constant", "trainer.precision=32-true"),
    *("trainer.max_steps=3", "trainer.val_check_interval=1", "data.batch_size=6"),
)


class SignalOnce(Callback):
    """Sends a signal to one of the processes after a step, the first time it comes there."""

    def __init__(self, rank: int, step: int, signum: int, marker: str) -> None:
        self.rank, self.step, self.signum, self.marker = rank, step, signum, Path(marker)

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        here = trainer.global_rank == self.rank and trainer.global_step == self.step
        if here and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), self.signum)


def once(rank: int, step: int, signum: int, marker: Path) -> str:
    target = "_target_: tests.parallel.test_ddp.SignalOnce"
    return f"+callback.signal={{{target}, rank: {rank}, step: {step}, signum: {int(signum)}, marker: {marker}}}"


def scores(run: Path) -> list[float]:
    with (run / "scores.csv").open() as file:
        return [float(row["score"]) for row in csv.DictReader(file)]


def assert_nearly_equal_runs(one: Path, two: Path) -> None:
    """Sums of float32 in another order: 2e-6 after three steps; normalised over each share alone: 5e-4."""
    for name in ("last.ckpt", "best.ckpt"):
        a, b = (torch.load(run / name, weights_only=True)["state_dict"] for run in (one, two))
        assert a.keys() == b.keys()
        for key in a:
            assert torch.allclose(a[key].float(), b[key].float(), rtol=0, atol=2e-5), (name, key)
    assert scores(two) == pytest.approx(scores(one), rel=1e-3)
    first, second = (json.loads((run / "metrics.json").read_text()) for run in (one, two))
    assert first.keys() == second.keys()
    for key in ("image_auroc", "pixel_auroc", "pixel_average_precision", "aupro_0.3", "pixel_threshold"):
        assert second[key] == pytest.approx(first[key], abs=1e-3), key
    for key in ("steps", "checkpoint_step", "test_images", "val_images", "pixel_threshold_normals"):
        assert second[key] == first[key], key


FEATURES = (
    *("space=lite0", "model=residual_sdc", "head=residual_nearest", "score/rule=soft_maximum", "data.crop_sizes=[32]"),
    *("model.inner=16", "head.members.residual.width=8", "head.members.nearest.most=64", "corruption=mix"),
    "score.rule.sums=[{image: 1},{stride *: 1},{nearest: 1, head: 1}]",
)


@pytest.mark.parametrize("space", [(), FEATURES], ids=["pixel", "lite0"])
def test_two_processes_learn_what_one_learns(
    space: tuple[str, ...], tiny_config: Build, tmp_path: Path, tiny: Path
) -> None:
    """With an odd number of test images, and a last validation batch of two images."""
    (tiny / "test" / "good" / "000.png").unlink()
    train(tiny_config("one", *PLAIN, *space))
    metrics = train(tiny_config("two", *PLAIN, *space, "trainer=ddp", "trainer.accelerator=cpu"))
    assert metrics["test_images"] == 7
    assert_nearly_equal_runs(tmp_path / "one", tmp_path / "two")
    again = evaluate(compose_evaluate(f"run_dir={tmp_path / 'two'}"))  # in one process
    assert again["pixel_auroc"] == pytest.approx(metrics["pixel_auroc"], abs=1e-5)
    pages = {path.stem.rpartition("-")[2] for path in (tmp_path / "two" / "evaluation").glob("*.png")}
    assert pages == {"curves", "most_wrong"}
    state = [torch.load(tmp_path / run / "last.ckpt", weights_only=True) for run in ("one", "two")]
    best = [next(v for k, v in s["callbacks"].items() if k.startswith("BestCheckpoint")) for s in state]
    # Of eight damaged images, none twice: the mean loss would show it.
    assert float(best[1]["best_model_score"]) == pytest.approx(float(best[0]["best_model_score"]), rel=1e-4)


def test_a_process_that_dies_ends_the_run_which_then_goes_on(tiny_config: Build, tmp_path: Path) -> None:
    ddp = (*PLAIN, "trainer=ddp", "trainer.accelerator=cpu", once(1, 2, signal.SIGKILL, tmp_path / "killed"))
    with pytest.raises(ChildProcessError, match=r"process [01] of 2 failed: .*repeat the command to go on"):
        train(tiny_config("two", *ddp))
    assert (tmp_path / "killed").exists()
    assert torch.load(tmp_path / "two" / "last.ckpt", weights_only=True)["global_step"] == 1
    assert not (tmp_path / "two" / "metrics.json").exists()
    assert train(tiny_config("two", *ddp))["steps"] == 3
    assert not list((tmp_path / "cache").glob("processes/*"))


def test_what_several_processes_cannot_do(tiny_config: Build, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"data.batch_size \(=4\) must be a multiple .* \(=3\), .*; use 6"):
        train(tiny_config("three", "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=3"))
    with pytest.raises(ValueError, match=r"trainer.devices \(=2\) needs trainer=ddp"):
        train(tiny_config("other", "trainer.devices=2"))
    assert {p.name for p in tmp_path.iterdir()} <= {"tiny", "cache"}


@pytest.mark.slow
def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path, tiny: Path) -> None:
    """A terminal sends it to all processes, and the launcher hands it on once more."""
    words = [
        *("experiment=quick", "data=folder", f"data.root={tiny}", "category=generic", "run_dir=two", "trainer=ddp"),
        *("model.width=8", "data.image_size=32", "callback.last.every_n_steps=1000", "trainer.accelerator=cpu"),
        *("trainer.enable_progress_bar=false", "~callback.progress", "pictures=1", "trainer.val_check_interval=20"),
    ]
    command = [sys.executable, "-m", "fae.train", *words, "trainer.max_steps=2000"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True, **pipes) as run:
        while not (tmp_path / "two" / "last.ckpt").exists() and run.poll() is None:
            time.sleep(0.1)
        time.sleep(1)
        os.killpg(run.pid, signal.SIGINT)
        said, _ = run.communicate(timeout=120)
    assert run.returncode == 128 + signal.SIGINT, said
    assert "The run was stopped; its state is saved in two/last.ckpt. Go on with:" in said
    assert "Traceback" not in said
    assert torch.load(tmp_path / "two" / "last.ckpt", weights_only=True)["global_step"] >= 20


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_torchrun_stopped_by_one_process_and_resumed(rank: int, tiny_config: Build, tmp_path: Path, tiny: Path) -> None:
    train(tiny_config("one", *PLAIN))
    common = tiny_config("two", *PLAIN, "trainer=ddp", "trainer.accelerator=cpu")
    words = [
        *("experiment=quick", "data=folder", f"data.root={tiny}", "category=generic", f"run_dir={common.run_dir}"),
        *("model.width=4", "data.image_size=32", "callback.last.every_n_steps=1", "trainer.log_every_n_steps=1"),
        *("trainer.enable_progress_bar=false", "~callback.progress", "pictures=2", "trainer=ddp"),
        *("trainer.accelerator=cpu", *PLAIN, once(rank, 2, signal.SIGTERM, tmp_path / "stopped")),
    ]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "fae.train"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run([*torchrun, *words], check=False, capture_output=True, text=True, env=environment)
    assert run.returncode != 0
    assert "The run was stopped; its state is saved in" in run.stdout
    assert torch.load(tmp_path / "two" / "last.ckpt", weights_only=True)["global_step"] == 2
    subprocess.run([*torchrun, *words], check=True, capture_output=True, env=environment)
    assert_nearly_equal_runs(tmp_path / "one", tmp_path / "two")
