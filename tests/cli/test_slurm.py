"""On a real SLURM, see experiments/slurm: `make slurm-test`."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_sweep import TINY, finished
from tests.conftest import write_tiny
from tests.parallel.test_ddp import PLAIN, assert_nearly_equal_runs

pytestmark = pytest.mark.slurm
ROOT = Path(__file__).parents[2]

LAUNCHER = ("hydra/launcher=slurm", "hydra.launcher.cpus_per_task=1", "hydra.launcher.timeout_min=10")


def command(folder: Path, *words: str) -> list[str]:
    data = folder / "tiny" if (folder / "tiny").exists() else write_tiny(folder / "tiny")
    return [sys.executable, "-m", "fae.train", *words, *TINY, f"data.root={data}"]


def sweep(folder: Path, *words: str, meanwhile: Callable[[], None] = lambda: None) -> tuple[int, str]:
    """Exit code and output."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen([*command(folder, "-m", *LAUNCHER), *words], cwd=folder, env=environment, **pipes) as run:
        meanwhile()
        said, _ = run.communicate(timeout=500)
    print(said)
    return run.returncode, said


def queue() -> list[tuple[str, str]]:
    """Name and state of every job."""
    shown = subprocess.run(["squeue", "--noheader", "--array", "--format=%i %T"], capture_output=True, text=True)
    return [(line.split()[0], line.split()[1]) for line in shown.stdout.splitlines()]


def wait_for(path: Path, pattern: str, seconds: int = 120) -> Path:
    for _ in range(seconds * 20):
        if found := sorted(path.glob(pattern)):
            return found[0]
        time.sleep(0.05)
    raise AssertionError(f"no {pattern} in {path} after {seconds} s")


def test_a_sweep_with_a_failure(tmp_path: Path) -> None:
    code, said = sweep(tmp_path, "objective.lam=0.1,0.9,2", "objective=filter,amplify")
    assert code == 1
    assert "error: 2 run(s) failed" in said
    folder = tmp_path / "multirun" / "default"
    before = finished(folder)
    assert len(before) == 4
    assert sweep(tmp_path, "objective.lam=0.1,0.9", "objective=filter,amplify")[0] == 0
    assert finished(folder) == before


def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    alone = [*command(tmp_path, "run_dir=one"), *PLAIN, "model.width=4"]
    subprocess.run(alone, cwd=tmp_path, env=environment, check=True)
    assert sweep(tmp_path, *PLAIN, "model.width=4", "trainer=ddp", "hydra.launcher.tasks_per_node=2")[0] == 0
    (two,) = finished(tmp_path / "multirun" / "default")
    assert_nearly_equal_runs(tmp_path / "one", tmp_path / "multirun" / "default" / two)


def test_a_preempted_job_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    """As submitit is told of it: by a signal, after which it queues the job again."""
    folder = tmp_path / "multirun" / "default"

    def preempt() -> None:
        wait_for(folder, "*/last.ckpt")
        ((job, _),) = queue()
        subprocess.run(["scancel", "--signal=USR2", job], check=True)

    assert sweep(tmp_path, "trainer.max_steps=1000", "trainer.val_check_interval=500", meanwhile=preempt)[0] == 0
    assert len(finished(folder)) == 1
    logs = "".join(path.read_text() for path in sorted(folder.glob("slurm/*/*.err")))
    print(logs)
    assert "requeue" in logs.lower()
    metrics = json.loads(next(folder.glob("*/metrics.json")).read_text())
    assert metrics["steps"] == 1000
    starts = "".join(path.read_text() for path in sorted(folder.glob("slurm/*/*.out")))
    print(starts)
    assert starts.count("run folder:") == 2
