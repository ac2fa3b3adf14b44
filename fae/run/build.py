"""From a composed configuration to the objects of a run, and from those to its predictions."""

import itertools
import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import lightning
import torch
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.layer_sync import TorchSyncBatchNorm
from lightning.pytorch.strategies import DDPStrategy
from omegaconf import DictConfig
from torch import Tensor, distributed
from torch.utils.data import DataLoader, IterableDataset

from fae.callback.checkpoint import WholeCheckpointIO
from fae.data.module import DataModule
from fae.machine.precision import on_gpu
from fae.model.folded import fold_batch_norm
from fae.module import FilteringAutoencoder, Prediction
from fae.parallel.batch_norm import CrossProcessBatchNorm
from fae.run.folder import BEST, LAST
from fae.run.identity import lam_of, objective_name
from fae.score.score import Score
from fae.types import Images


def build_module(cfg: DictConfig, score: Score) -> FilteringAutoencoder:
    """Build network, objective and optimiser, with the residual of a score."""
    return FilteringAutoencoder(
        instantiate(cfg.model, _convert_="all"),
        instantiate(cfg.objective, _convert_="all"),
        instantiate(cfg.optimizer, _convert_="all"),
        instantiate(cfg.scheduler, _convert_="all"),
        score.residual,
    )


def build_trainer(cfg: DictConfig, callbacks: list[Callback]) -> lightning.Trainer:
    """Build the trainer, without its logger, and refuse what this program cannot do.

    With several processes, a trainer of one of them; see `launched`.

    Raises:
        ValueError: the configuration asks for what this program cannot do.
    """
    trainer: lightning.Trainer = instantiate(
        cfg.trainer,
        callbacks=callbacks,
        logger=False,
        plugins=[
            WholeCheckpointIO(),
            TorchSyncBatchNorm() if on_gpu(cfg.trainer.accelerator) else CrossProcessBatchNorm(),
        ],
        default_root_dir=cfg.run_dir,
        _convert_="all",
    )
    processes = trainer.world_size
    if processes > 1 and cfg.trainer.get("strategy") != "ddp":
        raise ValueError(f"trainer.devices (={cfg.trainer.devices}) needs trainer=ddp, or set trainer.devices=1")
    if processes > cfg.data.batch_size or cfg.data.batch_size % processes:
        raise ValueError(
            f"data.batch_size (={cfg.data.batch_size}) must be a multiple of the number of processes (={processes}), "
            f"which share it; use {-(-cfg.data.batch_size // processes) * processes}"
        )
    if trainer.accumulate_grad_batches != 1:
        raise ValueError(
            f"trainer.accumulate_grad_batches (={trainer.accumulate_grad_batches}) must be 1, as schedules count "
            "optimiser steps; set data.batch_size instead"
        )
    return trainer


def launched(trainer: lightning.Trainer) -> bool:
    """Whether all processes of a run are there: a single one, or several that torchrun, srun or we have started."""
    strategy = trainer.strategy
    if not isinstance(strategy, DDPStrategy):
        return True
    assert strategy.cluster_environment is not None
    return strategy.cluster_environment.creates_processes_externally


def checkpoint_of(run_dir: Path) -> Path:
    """The best checkpoint, or the last where none was kept."""
    return run_dir / BEST if (run_dir / BEST).is_file() else run_dir / LAST


def load_checkpoint(module: FilteringAutoencoder, cfg: DictConfig, run_dir: Path) -> dict[str, Any]:
    """Load the weights of a run, ready to score and for nothing else; returns facts on which they are.

    Raises:
        FileNotFoundError: there is no checkpoint.
        ValueError: the file is no checkpoint, or one of another network.
    """
    path = checkpoint_of(run_dir)
    if not path.is_file():
        raise FileNotFoundError(f"run_dir (={run_dir}) holds neither {BEST} nor {LAST}; train it again")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        module.load_state_dict(checkpoint["state_dict"])
    except (RuntimeError, KeyError, EOFError, UnpicklingError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"{path} holds no weights for the network of this run ({reason}); train it again") from error
    fold_batch_norm(module.model)
    if path.name == BEST and "best" in cfg.callback:
        best = cfg.callback.best
        chosen = (
            f"{'lowest' if best.mode == 'min' else 'highest'} {best.monitor} on held-out normal images, last crop stage"
        )
    else:
        chosen = "last step"
    return {"checkpoint": f"{path.name}: {chosen}", "checkpoint_step": int(checkpoint["global_step"])}


def predict(
    trainer: lightning.Trainer, module: FilteringAutoencoder, data: DataModule
) -> tuple[Prediction, Prediction]:
    """Predict the held-out normal images and the test images, as they are.

    Of several processes each predicts its share, and the first one gets them all; the others get their own.
    """
    predicted: Any = trainer.predict(module, datamodule=data, weights_only=True)
    # Without test images Lightning nests one level less.
    val, test = predicted if data.test.samples else (predicted, [])
    if trainer.world_size > 1:
        shares: list[Any] | None = [None] * trainer.world_size if trainer.is_global_zero else None
        distributed.gather_object((val, test), shares)
        if shares is not None:
            val, test = ([batch for share in shares for batch in share[i]] for i in range(2))
    return _join(val, data), _join(test, data)


def predict_images(
    trainer: lightning.Trainer, module: FilteringAutoencoder, data: DataModule, image: Iterable[Tensor]
) -> Prediction:
    """Predict other images of the size of this data set; batches `(B, 3, H, W)` in [0, 1]."""
    positions = itertools.count()
    batches = (Images(one, torch.tensor([next(positions) for _ in one])) for one in image)
    predicted: Any = trainer.predict(module, dataloaders=DataLoader(_Once(batches), batch_size=None), weights_only=True)
    return _join(predicted, data)


class _Once(IterableDataset[Images]):
    """Batches as they come, so that no two need to be in memory."""

    def __init__(self, batches: Iterator[Images]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Images]:
        return self.batches


def _join(batches: Sequence[Prediction], data: DataModule) -> Prediction:
    if not batches:
        size = data.image_size or (0, 0)
        return Prediction(torch.zeros(0, 1, *size), torch.zeros(0, 3, *size, dtype=torch.uint8), torch.zeros(0))
    joined = Prediction(*(torch.cat(parts) for parts in zip(*batches, strict=True)))
    return Prediction(*(part[joined.sample.argsort()] for part in joined))


def facts(cfg: DictConfig, data: DataModule, score: Score) -> dict[str, Any]:
    """What was trained on what, and how the choices were made."""
    return {
        "dataset": data.index.dataset,
        "category": cfg.category.name,
        "objective": objective_name(cfg),
        "corruption": data.corruption.name,
        "noise_sigma": data.noise_sigma,
        "lam": lam_of(cfg),
        "k": score.k,
        "n": score.n,
        "t": score.t,
        "residual": score.residual.name,
        "image_score": score.image_score.name,
        "image_size": list(data.image_size or ()),
        "seed": cfg.seed,
        "precision": str(cfg.trainer.precision),
        "protocol": "fixed: k, n, t, residual and image score as configured",
        "train_images": len(data.train.samples),
        "val_images": len(data.val.samples),
        "test_images": len(data.test.samples),
        "notes": list(data.notes),
    }


def quiet() -> None:
    """Keep what a user can do nothing about out of the output."""
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.distributed"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",  # the images are in memory
        ".*Checkpoint directory .* exists and is not empty.*",  # it is the run's folder
        ".*The `srun` command is available.*",  # one process is what was asked for
        ".*`compute`` method of metric MeanMetric was called before.*",  # by a process without a share of the images
        ".*recommended to use `self.log.*sync_dist=True.*",  # torchmetrics has added up what is logged
        ".*isinstance\\(treespec, LeafSpec\\).*",  # Lightning's own
    ):
        warnings.filterwarnings("ignore", message)
