"""`python -m fae.evaluate`: score a finished run again, with another k, n, t, residual or image score."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from fae import cli
from fae.assembly import build_module, build_trainer, checkpoint_of, facts, load_checkpoint, predict, quiet
from fae.config import check_leaves
from fae.data.module import DataModule
from fae.environment import environment, git_commit
from fae.evaluation import evaluate as measure
from fae.evaluation import summary
from fae.files import whole, write_text
from fae.module import Prediction
from fae.run_folder import check_images, finished_config, locked
from fae.score.score import Score

FOLDER = "evaluation"


def evaluate(cfg: DictConfig) -> dict[str, Any]:
    """Score a finished run; with nothing changed, on the same machine and versions, its own numbers again, exactly.

    The network runs once for each kind of residual: its residuals are kept in `<run_dir>/evaluation`, keyed by
    checkpoint, images, precision, machine, versions and commit.

    Args:
        cfg: composed from conf/evaluate.yaml.

    Returns:
        what `<run_dir>/evaluation/<name>.json` holds; metrics.json stays as it is.

    Raises:
        ValueError: `run_dir` holds no finished run, the images are not its images, or a value is wrong.
        InstantiationException: Hydra's wrapper of an error from a leaf's constructor.
        OSError: a file is missing or cannot be written.
    """
    run_dir = Path(cfg.run_dir)
    if cfg.name is not None and Path(cfg.name).name != cfg.name:
        raise ValueError(f"name (={cfg.name}) must be a file's name, without a folder: it goes to {run_dir / FOLDER}")
    run = finished_config(run_dir)
    changed = _change(run, cfg)
    check_leaves(run)
    quiet()
    data: DataModule = instantiate(run.data, _convert_="all")
    check_images(run_dir, data.index)
    data.setup()
    score: Score = instantiate(run.score, _convert_="all")
    module = build_module(run, score)
    checkpoint = load_checkpoint(module, run, run_dir)
    trainer = build_trainer(run, [])
    folder = run_dir / FOLDER
    path = folder / f"{cfg.name or _name(run.score)}.json"
    where = {"git_commit": git_commit()} | environment(trainer.strategy.root_device)
    key = _key(checkpoint_of(run_dir), data.index.fingerprint, run.trainer.precision, where)
    with locked(run_dir):
        folder.mkdir(exist_ok=True)
        val, test = _residuals(folder / f"residual-{score.residual}-{key}.npz", lambda: predict(trainer, module, data))
        metrics = facts(run, data, score) | measure(score, val, test, data).metrics | checkpoint | where
        if changed:
            metrics["protocol"] = f"changed after training, by whoever has seen its results: {', '.join(changed)}"
        write_text(path, json.dumps(metrics, indent=2, allow_nan=False) + "\n")
    print(f"{summary(metrics)}\nresults in {path}", flush=True)
    return metrics


def _change(run: DictConfig, cfg: DictConfig) -> list[str]:
    """Write what the command line asks for into a run's configuration; returns what of it changes the scores."""
    if unknown := sorted(str(key) for key in cfg.data if key != "root"):
        raise ValueError(
            f"data.{unknown[0]} cannot change after training; data.root alone can, for images that have moved"
        )
    if cfg.data.root is not None:
        run.data.root = cfg.data.root
    for key, value in cfg.trainer.items():
        if value is not None:
            run.trainer[key] = value
    changed = []
    for key, value in cfg.score.items():
        if value is None or value == run.score.get(key):
            continue
        of_the_same_kind = isinstance(value, DictConfig) and "_target_" not in value
        run.score[key] = OmegaConf.merge(run.score[key], value) if of_the_same_kind else value
        changed.append(f"score.{key}")
    return changed


def _key(checkpoint: Path, *made_with: object) -> str:
    """Of everything that residuals depend on: weights, images, precision, machine, versions and commit."""
    return hashlib.sha256(checkpoint.read_bytes() + repr(made_with).encode()).hexdigest()[:8]


def _residuals(path: Path, run: Callable[[], tuple[Prediction, Prediction]]) -> tuple[Tensor, Tensor]:
    """Residuals `(N, 1, H, W)` of the held-out and the test images, from the file or, if it is missing, the network."""
    if not path.is_file():
        val, test = run()
        with whole(path) as draft, draft.open("wb") as file:
            np.savez(file, val=val.residual.numpy(), test=test.residual.numpy())
    with np.load(path, allow_pickle=False) as stored:
        return torch.from_numpy(stored["val"]), torch.from_numpy(stored["test"])


def _name(score: DictConfig) -> str:
    """What the maps were made with: squared-k5-n2-t0-top0.01."""
    image_score = str(score.image_score._target_).rsplit(".", 1)[-1].lower()
    values = "-".join(f"{value:g}" for key, value in score.image_score.items() if key != "_target_")
    return f"{score.residual}-k{score.k}-n{score.n}-t{score.t:g}-{image_score}{values}"


def main() -> None:
    """Entry point of `fae-evaluate`."""
    cli.run(evaluate, "evaluate")


if __name__ == "__main__":
    main()
