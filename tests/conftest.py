import json
import os
import shutil
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import wandb
from filelock import FileLock
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from PIL import Image

from fae.cli.schema import conf_dir, register
from tests.processes import Forked

os.environ.pop("MVTEC_AD_ROOT", None)
REAL = Path(os.environ.get("FAE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
with_real_images = pytest.mark.skipif(
    not (REAL / "piped").is_dir(), reason=f"real images are not at {REAL}; set FAE_TEST_DATA"
)
# Tiny tensors: more threads only wait for each other. Subprocesses inherit it.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No W&B, and nothing outside the test's folder."""
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setenv("FAE_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    yield
    for name in ("WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        os.environ.pop(name, None)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@lru_cache(maxsize=256)
def _composed(command: str, overrides: tuple[str, ...]) -> DictConfig:
    register()
    with initialize_config_dir(conf_dir(command), version_base="1.3"):
        return compose(command, list(overrides))


def compose_command(command: str, *overrides: str) -> DictConfig:
    """Compose `conf/<command>.yaml`, once for the same words: Hydra takes a sixth of a second for it."""
    # The folder of a run is set afterwards, so that tests share the rest.
    folders = [word for word in overrides if word.startswith("run_dir=")]
    cfg = _composed(command, tuple(word for word in overrides if word not in folders)).copy()
    for word in folders:
        cfg.run_dir = word.partition("=")[2]
    return cfg


def compose_train(*overrides: str) -> DictConfig:
    return compose_command("train", *overrides)


def textured(rng: np.random.Generator, height: int = 32, width: int = 32) -> np.ndarray:
    """A striped picture with a random phase, uint8."""
    rows, columns = np.mgrid[:height, :width]
    stripes = np.sin(columns / 2 + rng.uniform(0, 6)) * 40 + np.cos(rows / 3 + rng.uniform(0, 6)) * 20 + 128
    return np.stack([stripes, stripes * 0.8, stripes * 0.6], -1).clip(0, 255).astype(np.uint8)


def write_tiny(
    root: Path, train: int = 12, good: int = 4, bad: int = 4, size: tuple[int, int] = (32, 32), seed: int = 0
) -> Path:
    """A data set in the MVTec AD layout: stripes, with bright squares for defects."""
    rng = np.random.default_rng(seed)

    def save(array: np.ndarray, *parts: str) -> None:
        path = root.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(path)

    for i in range(train):
        save(textured(rng, *size), "train", "good", f"{i:03d}.png")
    for i in range(good):
        save(textured(rng, *size), "test", "good", f"{i:03d}.png")
    for i in range(bad):
        image, mask = textured(rng, *size), np.zeros(size, np.uint8)
        y, x = rng.integers(4, min(size) - 12, 2)
        image[y : y + 6, x : x + 6] = 250
        mask[y : y + 6, x : x + 6] = 255
        save(image, "test", "square", f"{i:03d}.png")
        save(mask, "ground_truth", "square", f"{i:03d}_mask.png")
    return root


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny data set, to look at."""
    return once(tmp_path_factory, "images", lambda root: write_tiny(root / "tiny")) / "tiny"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "tiny")


def compose_tiny(data: Path, run_dir: Path, *overrides: str) -> DictConfig:
    """Compose a run of twelve steps on a tiny data set."""
    cfg = compose_train(
        "experiment=quick",
        "data=folder",
        "category=generic",
        "model.width=4",
        "data.image_size=32",
        "data.batch_size=4",
        "trainer.max_steps=12",
        "trainer.val_check_interval=4",
        "callback.last.every_n_steps=100",
        "trainer.log_every_n_steps=1",
        "trainer.accelerator=cpu",
        "trainer.enable_progress_bar=false",
        "~callback.progress",
        "pictures=2",
        *overrides,
    )
    cfg.data.root, cfg.run_dir = str(data), str(run_dir)
    return cfg


@pytest.fixture
def unplugged(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """There is a key, and a server that does not answer."""
    monkeypatch.setattr("wandb.login", lambda **_: True)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    wandb.teardown()  # it reads the environment once a process
    yield
    wandb.teardown()


@pytest.fixture
def tiny_config(tiny: Path, tmp_path: Path) -> Callable[..., DictConfig]:
    """Compose a run on the tiny data set, in `<tmp_path>/<name>`."""
    return lambda name, *overrides: compose_tiny(tiny, tmp_path / name, *overrides)


@pytest.fixture
def unpainted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the pages of an evaluation, which take half of the time of a tiny run and are shown elsewhere."""
    monkeypatch.setattr("fae.evaluation.finish.write_pages", lambda *_: [])


@pytest.fixture(scope="session")
def forked() -> Forked:
    """Start processes that need no time for imports."""
    return Forked()


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that one of pytest's processes fills, for all of them to look at; `make` works in it, without W&B."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, made = base / "once" / name, base / "once" / f"{name}.made"
    folder.parent.mkdir(exist_ok=True)
    with FileLock(base / "once" / f"{name}.lock"):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # another process may have failed here
            folder.mkdir()
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("WANDB_MODE", "disabled")
                patch.setenv("FAE_CACHE_DIR", str(folder / "cache"))
                patch.chdir(folder)
                make(folder)
            made.touch()
    return folder


SHORT = ("trainer.max_steps=2", "trainer.val_check_interval=1")
"""For `compose_tiny`: a run of two steps, where a law does not ask for a longer one."""


def train_tiny(root: Path, *overrides: str) -> None:
    """Leave a finished run in `<root>/run`, on the tiny data set in `<root>/tiny`."""
    from fae.train import train  # seconds, which most tests need not wait for

    train(compose_tiny(write_tiny(root / "tiny"), root / "run", *overrides))


def moved(run: Path, folder: Path) -> Path:
    """A copy of a run and of its images, as if it had been trained in another folder: for tests that change it."""
    shutil.copytree(run.parent, folder, dirs_exist_ok=True)
    for name in ("config.yaml", "scores.csv"):
        path = folder / run.name / name
        path.write_text(path.read_text().replace(str(run.parent), str(folder)))
    return folder / run.name


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on the tiny data set, to look at."""
    return once(tmp_path_factory, "whole", train_tiny) / "run"


@pytest.fixture(scope="session")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with everything that W&B can get of a run, offline."""

    def make(root: Path) -> None:
        os.environ["WANDB_MODE"] = "offline"
        train_tiny(root, "logger.log_model=true", "tags=[mine]")

    return once(tmp_path_factory, "tracked", make) / "run"


Inspect = Callable[[Path], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def inspected(forked: Forked) -> Inspect:
    """Read the records of the one offline W&B run in a folder, or in its `wandb`."""

    def inspect(run: Path) -> list[dict[str, Any]]:
        (file,) = run.rglob("*.wandb")
        done = forked.command("wandb", "leet", "inspect", "--json", str(file))
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return inspect


def history(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was logged, in its order."""
    return [record["history"]["item"] for record in records if record["type"] == "history"]
