import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf
from submitit.core.utils import UncompletedJobError

from fae.cli.schema import conf_dir, register
from fae.cli.sweep import Sweep, sweeping
from fae.run.identity import training_hash
from fae.train import main
from tests.conftest import compose_train, write_tiny

ROOT = Path(__file__).parents[2]
Run = Callable[..., int]
pytestmark = pytest.mark.usefixtures("unpainted")

TINY = (
    *("experiment=quick", "data=folder", "category=generic", "model.width=2", "data.image_size=32", "pictures=1"),
    *("data.batch_size=4", "trainer.max_steps=4", "trainer.val_check_interval=2", "trainer.accelerator=cpu"),
    *("trainer.enable_progress_bar=false", "~callback.progress", "callback.last.every_n_steps=1"),
)


@pytest.fixture
def run(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Type a command; returns its exit code."""

    def command(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["fae.train", *words, *TINY, f"data.root={tiny}"])
        try:
            main()
        except SystemExit as end:
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
            return end.code if isinstance(end.code, int) else 1
        return 0

    yield command
    GlobalHydra.instance().clear()


def finished(folder: Path) -> dict[str, float]:
    """When each finished run of a sweep was finished."""
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("*/metrics.json")}


def composed(*overrides: str) -> DictConfig:
    register()
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        return compose("train", list(overrides), return_hydra_config=True)


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "conf" / "sweep").glob("*.yaml")))
def test_recipes_compose_and_need_no_m(name: str) -> None:
    hydra = composed(f"sweep={name}").hydra
    assert hydra.mode.name == "MULTIRUN"
    assert hydra.sweep.dir == f"multirun/{name}"
    for pick in (0, -1):
        words = [f"{key}={str(values).split(',')[pick]}" for key, values in hydra.sweeper.params.items()]
        composed(f"sweep={name}", *words)


@pytest.mark.parametrize("name", ["mvtec", "paper"])
def test_all_categories_of_mvtec_ad(name: str) -> None:
    params = composed(f"sweep={name}").hydra.sweeper.params
    known = {path.stem for path in (ROOT / "conf" / "category").glob("*.yaml")} - {"generic"}
    assert set(params.category.split(",")) == known
    assert len(known) == 15
    assert params.data == "mvtec"


def test_a_sweep_goes_on_after_a_failure_and_repeats_only_that(
    run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Beside folders that are no runs."""
    for name, text in (("foreign", "[1]"), ("half-written", '{"training": ')):
        (tmp_path / "multirun" / "lam" / name).mkdir(parents=True)
        for file in ("metrics.json", "origin.json", "last.ckpt"):
            (tmp_path / "multirun" / "lam" / name / file).write_text(text)
    assert run("sweep=lam", "objective.lam=2,0.5", "objective=filter,amplify") == 1
    folder = tmp_path / "multirun" / "lam"
    before = {name: at for name, at in finished(folder).items() if name.startswith("folder-")}
    assert sorted(re.sub(r"-[0-9a-f]{8}$", "", name) for name in before) == [
        "folder-tiny-amplify-lam0.5-seed0",
        "folder-tiny-filter-lam0.5-seed0",
    ]
    logs = sorted((folder / "failed").glob("*.log"))
    assert len(logs) == 2
    for log, objective in zip(logs, ("amplify", "filter"), strict=False):
        overrides, why, *trace = log.read_text().splitlines()
        assert "objective.lam=2" in overrides
        assert f"objective={objective}" in overrides
        assert why == "objective: lam (=2) must lie in [0, 1]; 0.5 is a good default (paper, section 4.4)"
        assert "Traceback (most recent call last):" in trace
    said = capfd.readouterr().err
    assert "error: 2 run(s) failed; repeat the command" in said
    assert all(log.name[:20] in said for log in logs)
    assert run("sweep=lam", "objective.lam=0.2,0.5", "objective=filter") == 0
    after = finished(folder)
    assert len(after) == 3 + 2
    assert before.items() <= after.items()
    assert not list((folder / "failed").glob("*.log"))


def test_a_second_sweep_is_refused(run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "multirun" / "default"
    folder.mkdir(parents=True)
    with FileLock(folder / ".lock"):
        assert run("-m", "seed=0,1") == 1
    assert f"hydra.sweep.dir (={folder.relative_to(tmp_path)}) is in use by another sweep" in capfd.readouterr().err
    assert not finished(folder)
    assert run("-m", "seed=0") == 0


def test_another_configuration_under_the_same_name_is_an_error(
    run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("-m", "seed=0") == 0
    (config,) = (tmp_path / "multirun" / "default").glob("*/config.yaml")
    config.write_text(config.read_text().replace("lam: 0.5", "lam: 0.4"))
    assert run("-m", "seed=0") == 1
    assert "belongs to another configuration (objective.lam 0.4 → 0.5)" in capfd.readouterr().err


def test_k_and_n_are_swept_without_training_again(run: Run, tmp_path: Path) -> None:
    """What the runs find is what they would find by themselves."""
    assert run("sweep=score", "score.k=3,5", "score.n=1,2", "score.t=0") == 0
    folder = tmp_path / "multirun" / "score"
    metrics = {path.parent: json.loads(path.read_text()) for path in folder.glob("*/metrics.json")}
    assert {(m["k"], m["n"]) for m in metrics.values()} == {(3, 1), (3, 2), (5, 1), (5, 2)}
    (trained,) = (path for path, m in metrics.items() if m["weights_of"] is None)
    assert {m["weights_of"] for m in metrics.values()} == {None, trained.name}
    weights = [torch.load(path / "best.ckpt", weights_only=True)["state_dict"] for path in metrics]
    assert all(torch.equal(weights[0][key], other[key]) for other in weights for key in other)
    assert len({m["pixel_auroc"] for m in metrics.values()}) > 1
    for k, n in ((3, 2), (5, 2)):
        assert run(f"score.k={k}", f"score.n={n}", f"run_dir=alone{k}{n}") == 0
        alone = json.loads((tmp_path / f"alone{k}{n}" / "metrics.json").read_text())
        (own,) = (m for m in metrics.values() if (m["k"], m["n"]) == (k, n))
        different = {key for key in alone if alone[key] != own[key]}
        assert different <= {"overrides", "seconds", "weights_of"}


@pytest.mark.parametrize(
    ("word", "same"),
    [
        *((w, True) for w in ("score.k=9", "score.n=0", "score.t=3", "score/image_score=max", "engine=streaming")),
        *((w, True) for w in ("threshold.image_rate=0.2", "pictures=3", "data.root=elsewhere")),
        *((w, False) for w in ("score/residual=ssim", "objective.lam=0.3", "objective=amplify", "seed=1")),
        *((w, False) for w in ("data.noise_sigma=0.1", "trainer.max_steps=7", "corruption=swap", "data.fold=1")),
    ],
)
def test_what_determines_the_weights(word: str, same: bool) -> None:
    plain, changed = (compose_train("run_dir=x", *words) for words in ((), (word,)))
    assert (training_hash(plain, "images") == training_hash(changed, "images")) == same
    assert training_hash(plain, "images") != training_hash(plain, "others")


def test_without_slurm_the_error_says_what_else_there_is(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run("-m", "seed=0,1", "hydra/launcher=slurm") == 1
    assert "hydra/launcher=slurm needs sbatch" in capfd.readouterr().err


def test_a_lost_job_is_explained_and_the_folder_given_back(tmp_path: Path) -> None:
    """What submitit raises for a job that a cluster killed; without accounting (sacct) it cannot see it."""
    config = OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path)}, "launcher": {"_target_": "basic"}}})

    def lost() -> None:
        with sweeping():
            Sweep().on_multirun_start(config)
            raise UncompletedJobError("7_0 has not produced any output (state: OUT_OF_MEMORY)")

    with pytest.raises(SystemExit, match=r"(?s)a job was lost: 7_0 .* repeat the"):
        lost()
    with FileLock(tmp_path / ".lock", timeout=0):
        pass


@pytest.mark.slow
def test_joblib_trains_each_network_once(run: Run, tmp_path: Path) -> None:
    assert run("-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "seed=0,1", "score.k=3,5") == 0
    found = [json.loads(path.read_text()) for path in (tmp_path / "multirun" / "default").glob("*/metrics.json")]
    assert len(found) == 4
    assert sorted(m["seed"] for m in found if m["weights_of"] is None) == [0, 1]


@pytest.mark.slow
def test_joblib_killed_and_repeated(tiny: Path, tmp_path: Path) -> None:
    """Its workers outlive it for a moment, and hold their runs."""
    words = [*TINY, "model.width=16", "trainer.max_steps=200", "trainer.val_check_interval=100", f"data.root={tiny}"]
    joblib = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    command = [sys.executable, "-m", "fae.train", "-m", "seed=0,1", *joblib, *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    folder = tmp_path / "multirun" / "default"
    with (tmp_path / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
        while len(list(folder.glob("*/last.ckpt"))) < 2 and process.poll() is None:
            time.sleep(0.1)
        process.kill()
        process.wait()
        assert not finished(folder)
        assert subprocess.run(command, cwd=tmp_path, env=environment, stdout=log, stderr=log).returncode == 0
    assert len(finished(folder)) == 2


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_six_runs_survive_five_kills(seed: int, tmp_path: Path) -> None:
    """kill -9 at random moments, once while a checkpoint is written; all six end as in an undisturbed sweep."""
    data = write_tiny(tmp_path / "tiny")
    words = [
        *(sys.executable, "-m", "fae.train", *TINY, "model.width=16", "trainer.max_steps=40", f"data.root={data}"),
        *("trainer.val_check_interval=10", "trainer.log_every_n_steps=1", "sweep=lam", "objective.lam=0.2,0.5,0.8"),
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "WANDB_MODE": "offline"}

    def start(folder: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*words, f"hydra.sweep.dir={folder}"], cwd=tmp_path, env=environment, stdout=log, stderr=log
        )

    with (tmp_path / "log.txt").open("wb") as log:
        assert start("undisturbed").wait() == 0
        dice = random.Random(seed)
        drafts = []
        for kill in range(5):
            before = len(finished(tmp_path / "killed"))
            process = start("killed")
            deadline = time.monotonic() + 300
            # Not before something of this attempt lies on the disk, and then at any time of the next seconds.
            while process.poll() is None and time.monotonic() < deadline:
                written = list((tmp_path / "killed").glob("*/.last.ckpt.part"))
                if kill == 2 and written:
                    break
                if kill != 2 and list((tmp_path / "killed").glob("*/last.ckpt")):
                    time.sleep(dice.uniform(0, 6))
                    break
                time.sleep(0.0005 if kill == 2 else 0.05)
            process.send_signal(signal.SIGKILL)
            process.wait()
            drafts += list((tmp_path / "killed").glob("*/.last.ckpt.part")) if kill == 2 else []
            assert len(finished(tmp_path / "killed")) >= before
        assert drafts, "the third kill did not fall into the writing of a checkpoint"
        assert start("killed").wait() == 0
        done = finished(tmp_path / "killed")
        assert len(done) == 6
        assert start("killed").wait() == 0
        assert finished(tmp_path / "killed") == done
    assert (tmp_path / "log.txt").read_text().count("s of training; the results are in killed") == 6
    for path in (tmp_path / "undisturbed").glob("*/metrics.json"):
        other = tmp_path / "killed" / path.parent.name
        first, second = (json.loads((run / "metrics.json").read_text()) for run in (path.parent, other))
        assert {k for k in first if first[k] != second[k]} <= {"seconds", "overrides", "git_commit"}
        assert (path.parent / "scores.csv").read_bytes() == (other / "scores.csv").read_bytes()
        a, b = (torch.load(run / "last.ckpt", weights_only=True)["state_dict"] for run in (path.parent, other))
        assert all(torch.equal(a[key], b[key]) for key in a)
    ids = {json.loads(path.read_text())["wandb_id"] for path in (tmp_path / "killed").glob("*/origin.json")}
    assert len(ids) == 6
    runs = [path.name for path in (tmp_path / "killed" / "wandb").glob("offline-run-*")]
    assert sorted(name.rsplit("-", 1)[1] for name in runs) == sorted(ids), "one W&B run each"
