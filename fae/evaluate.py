"""`python -m fae.evaluate`: score a finished run again, with another k, n, t or image score, without training."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor

from fae import cli
from fae.assembly import build_module, build_trainer, checkpoint_of, facts, load_checkpoint, predict, quiet
from fae.data.module import DataModule
from fae.environment import environment, git_commit
from fae.evaluation import evaluate as measure
from fae.evaluation import summary
from fae.files import whole, write_text
from fae.module import Prediction
from fae.run_folder import check_images, finished_config
from fae.score.score import Score

FOLDER = "evaluation"


def evaluate(cfg: DictConfig) -> dict[str, Any]:
    """Score a finished run; with nothing changed, its own numbers again, exactly.

    The network runs once for each kind of residual and device: its residuals are kept in `<run_dir>/evaluation`,
    keyed by checkpoint and images.

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
    run = finished_config(run_dir)
    for section in ("score", "trainer"):
        for key, value in cfg[section].items():
            if value is not None:
                run[section][key] = value
    if cfg.data.root is not None:
        run.data.root = cfg.data.root
    quiet()
    data: DataModule = instantiate(run.data, _convert_="all")
    check_images(run_dir, data.index)
    data.setup()
    score: Score = instantiate(run.score, _convert_="all")
    module = build_module(run, score)
    checkpoint = load_checkpoint(module, run, run_dir)
    trainer = build_trainer(run, [])
    folder = run_dir / FOLDER
    folder.mkdir(exist_ok=True)

    device = trainer.strategy.root_device
    key = _key(checkpoint_of(run_dir), data.index.fingerprint, device.type, run.trainer.precision)
    val, test = _residuals(folder / f"residual-{score.residual}-{key}.npz", lambda: predict(trainer, module, data))
    metrics = facts(run, data, score) | measure(score, val, test, data).metrics | checkpoint
    metrics |= {"git_commit": git_commit()} | environment(device)
    path = folder / f"{cfg.name or _name(run.score)}.json"
    write_text(path, json.dumps(metrics, indent=2, allow_nan=False) + "\n")
    print(f"{summary(metrics)}\nresults in {path}", flush=True)
    return metrics


def _key(checkpoint: Path, *facts: str) -> str:
    return hashlib.sha256(checkpoint.read_bytes() + " ".join(facts).encode()).hexdigest()[:8]


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
