"""`python -m fae.train`: train one model, score it, and leave a run folder behind."""

import json
import logging
import shlex
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import lightning
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, Timer
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import DictConfig

from fae import cli
from fae.callback.checkpoint import WholeCheckpointIO
from fae.data.module import DataModule
from fae.environment import environment, git_commit
from fae.evaluation import evaluate
from fae.module import FilteringAutoencoder, Prediction
from fae.precision import best_precision
from fae.results import write_results
from fae.run_folder import BEST, LAST, METRICS, State, claim, locked, new_run_dir, objective_name, resolved, slug, state
from fae.score.score import Score
from fae.tracking import safe_mode, start, wandb_run


def train(cfg: DictConfig, sweep_dir: str | None = None, command: Sequence[str] = ()) -> dict[str, Any]:
    """Train, score and write one run; the same call on an interrupted run goes on, on a finished one returns.

    Args:
        cfg: composed from conf/train.yaml; `run_dir` and `trainer.precision` are decided here and written back.
        sweep_dir: the folder of a multirun, in which the run gets a folder named by its configuration.
        command: the words of the command line, for the command that resumes.

    Returns:
        what metrics.json holds.

    Raises:
        ValueError: a value is wrong, in the configuration or in the data.
        InstantiationException: Hydra's wrapper of an error from a leaf's constructor.
        OSError: a file is missing or cannot be written.
        FloatingPointError: the loss is no longer a number.
        SystemExit: Ctrl-C or SIGTERM; the run is saved.
    """
    if sweep_dir is not None and cfg.run_dir is not None:
        raise ValueError(f"run_dir (={cfg.run_dir}) names one run's folder; a multirun takes hydra.sweep.dir")
    if cfg.pictures < 0:
        raise ValueError(f"pictures (={cfg.pictures}) must not be negative; 0 writes none")
    _quiet()
    data: DataModule = instantiate(cfg.data, _convert_="all")
    for note in data.index.notes:
        print(f"NOTE: {note}", flush=True)
    if cfg.trainer.precision == "auto":
        cfg.trainer.precision = best_precision(cfg.trainer.accelerator)
    run_dir = Path(cfg.run_dir or new_run_dir(cfg, data.index, sweep_dir))
    cfg.run_dir = str(run_dir)
    if state(run_dir, cfg, data.index) is State.FINISHED:
        print(f"{run_dir} is finished; choose another run_dir to train again", flush=True)
        finished: dict[str, Any] = json.loads((run_dir / METRICS).read_text())
        return finished

    # Everything that can be wrong with data or configuration shows before the first file is written.
    data.setup()
    lightning.seed_everything(cfg.seed, verbose=False)
    score: Score = instantiate(cfg.score, _convert_="all")
    module = FilteringAutoencoder(
        instantiate(cfg.model, _convert_="all"),
        instantiate(cfg.objective, _convert_="all"),
        instantiate(cfg.optimizer, _convert_="all"),
        instantiate(cfg.scheduler, _convert_="all"),
        score.residual_map,
    )
    callbacks = instantiate(cfg.callback, _convert_="all")
    timer = Timer()
    trainer = _trainer(cfg, [*callbacks.values(), timer])
    mode = safe_mode(cfg.logger.mode)
    words = [word for word in command if not word.startswith("run_dir=")]
    resume = shlex.join([_python(), "-m", "fae.train", *words, f"run_dir={run_dir}"])

    with locked(run_dir), _stoppable(run_dir, resume), wandb_run(run_dir, Path(cfg.cache_dir)):
        commits = claim(run_dir, cfg, data.index, git_commit())
        print(f"run folder: {run_dir}\nif interrupted, go on with: {resume}", flush=True)
        name = slug(cfg, data.index.dataset)
        trainer.logger = logger = start(
            instantiate(cfg.logger, _partial_=True, _convert_="all"),
            mode,
            run_dir,
            run_dir.name if run_dir.name.startswith(name) else f"{name}-{run_dir.name}",
            [data.index.dataset.split(":")[0], cfg.category.name, objective_name(cfg), data.corruption.name, *cfg.tags],
            resolved(cfg),
            Path(sweep_dir).name if sweep_dir else None,
        )
        last = run_dir / LAST
        resumed = str(last) if last.is_file() else None
        trainer.fit(module, datamodule=data, ckpt_path=resumed, weights_only=True)
        checkpoint = _load_best(module, run_dir, callbacks.get("best"))
        predicted = trainer.predict(module, datamodule=data, weights_only=True)
        assert predicted is not None
        val, test = _by_split(predicted, data)
        result = evaluate(score, val.residual, test.residual, data)
        metrics = _facts(cfg, data, score) | result.metrics | checkpoint
        metrics |= {
            "overrides": words,
            "steps": trainer.global_step,
            "seconds": round(timer.time_elapsed("train"), 3),
            "git_commit": ", ".join(str(commit) for commit in commits) if any(commits) else None,
        } | environment(trainer.strategy.root_device)
        write_results(run_dir, metrics, result, test.reconstruction, data, cfg.pictures, logger)
    _say(metrics, run_dir)
    return metrics


def _trainer(cfg: DictConfig, callbacks: list[Callback]) -> lightning.Trainer:
    """Build the trainer, without its logger, and refuse what this program cannot do."""
    trainer: lightning.Trainer = instantiate(
        cfg.trainer,
        callbacks=callbacks,
        logger=False,
        plugins=[WholeCheckpointIO()],
        default_root_dir=cfg.run_dir,
        _convert_="all",
    )
    if trainer.world_size > 1:
        raise ValueError(f"trainer.devices (={cfg.trainer.devices}) must be 1: a run trains on one device")
    if trainer.accumulate_grad_batches != 1:
        raise ValueError(
            f"trainer.accumulate_grad_batches (={trainer.accumulate_grad_batches}) must be 1, as schedules count "
            "optimiser steps; set data.batch_size instead"
        )
    return trainer


def _python() -> str:
    """The interpreter, as one would type it here."""
    here, path = Path.cwd(), Path(sys.executable)
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _facts(cfg: DictConfig, data: DataModule, score: Score) -> dict[str, Any]:
    """What was trained on what, and how the choices were made."""
    return {
        "dataset": data.index.dataset,
        "category": cfg.category.name,
        "objective": objective_name(cfg),
        "corruption": data.corruption.name,
        "noise_sigma": data.noise_sigma,
        "lam": cfg.objective.lam,
        "k": score.k,
        "n": score.n,
        "t": score.t,
        "residual": score.residual,
        "image_score": score.image_score.name,
        "image_size": list(data.image_size or ()),
        "seed": cfg.seed,
        "precision": str(cfg.trainer.precision),
        "protocol": "fixed: k, n, t, residual and image score as configured; checkpoint by held-out normal images",
        "train_images": len(data.train.samples),
        "val_images": len(data.val.samples),
        "test_images": len(data.test.samples),
        "notes": list(data.notes),
    }


def _say(metrics: dict[str, Any], run_dir: Path) -> None:
    """Print the two numbers that everybody asks for, each beside its trivial baseline."""
    for name in ("image_auroc", "pixel_auroc"):
        if metrics[name] is None:
            print(f"{name}: undefined ({metrics[f'{name}_undefined']})")
        else:
            print(f"{name}: {metrics[name]:.4f} (without learning: {metrics[f'trivial_{name}']:.4f})")
    print(f"{metrics['seconds']:.0f} s of training; results in {run_dir}", flush=True)


def _by_split(predicted: Sequence[Any], data: DataModule) -> tuple[Prediction, Prediction]:
    """Join the batches of the held-out and of the test images; without test images Lightning nests one level less."""
    val, test = predicted if data.test.samples else (predicted, [])
    return _join(val, data), _join(test, data)


def _join(batches: Sequence[Prediction], data: DataModule) -> Prediction:
    if not batches:
        size = data.image_size or (0, 0)
        return Prediction(torch.zeros(0, 1, *size), torch.zeros(0, 3, *size, dtype=torch.uint8), torch.zeros(0))
    joined = Prediction(*(torch.cat(parts) for parts in zip(*batches, strict=True)))
    assert torch.equal(joined.sample, torch.arange(len(joined.sample)))
    return joined


def _load_best(module: FilteringAutoencoder, run_dir: Path, best: ModelCheckpoint | None) -> dict[str, Any]:
    """Load the best checkpoint, or the last where none was kept; returns which."""
    path = run_dir / BEST if (run_dir / BEST).is_file() else run_dir / LAST
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    module.load_state_dict(checkpoint["state_dict"])
    if path.name == BEST and best is not None:
        chosen = f"{'lowest' if best.mode == 'min' else 'highest'} {best.monitor}"
    else:
        chosen = "last step"
    return {"checkpoint": f"{path.name}: {chosen}", "checkpoint_step": int(checkpoint["global_step"])}


@contextmanager
def _stoppable(run_dir: Path, resume: str) -> Iterator[None]:
    """End on Ctrl-C and SIGTERM with the command that resumes; during a fit LastCheckpoint saves first."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise SIGTERMException

    before = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except SIGTERMException as stopped:
        kept = f"saved in {run_dir / LAST}" if (run_dir / LAST).is_file() else "nothing was trained yet"
        print(f"\nstopped; {kept}. Go on with:\n  {resume}", flush=True)
        raise SystemExit(128 + signal.SIGTERM) from stopped
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _quiet() -> None:
    """Keep what a user can do nothing about out of the output."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",  # the images are in memory
        ".*Checkpoint directory .* exists and is not empty.*",  # it is the run's folder
        ".*isinstance\\(treespec, LeafSpec\\).*",  # Lightning's own
    ):
        warnings.filterwarnings("ignore", message)


def _task(cfg: DictConfig) -> None:
    hydra = HydraConfig.get()
    if hydra.mode is RunMode.MULTIRUN:
        train(cfg, hydra.sweep.dir, hydra.overrides.task)
    else:
        train(cfg, None, sys.argv[1:])


def main() -> None:
    """Entry point of `fae-train`."""
    cli.run(_task, "train")


if __name__ == "__main__":
    main()
