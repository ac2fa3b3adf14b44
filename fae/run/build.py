"""Functions that build the objects of a run from its composed configuration."""

import logging
import warnings

import lightning
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.layer_sync import TorchSyncBatchNorm
from lightning.pytorch.strategies import DDPStrategy
from omegaconf import DictConfig

from fae.callback.checkpoint import WholeCheckpointIO
from fae.machine.precision import on_gpu
from fae.module import AnomalyAutoencoder
from fae.parallel.batch_norm import CrossProcessBatchNorm
from fae.run.network import build_network
from fae.score.score import Score


def build_module(cfg: DictConfig, score: Score) -> AnomalyAutoencoder:
    """Build network, objective and optimiser, with the residual of a score.

    Raises:
        ValueError: the schedule does not fit the length of the training, or a value of optimiser or schedule is wrong.
    """
    module = AnomalyAutoencoder(
        build_network(cfg),
        instantiate(cfg.objective, _convert_="all"),
        instantiate(cfg.optimizer, _convert_="all"),
        instantiate(cfg.scheduler, _convert_="all"),
        score.residual,
    )
    try:
        module.configure_optimizers()
    except ZeroDivisionError as error:
        raise ValueError(
            f"the scheduler {cfg.scheduler._target_.rpartition('.')[2]} has a phase without a step if "
            f"trainer.max_steps is {cfg.trainer.max_steps}; change trainer.max_steps by one, or use scheduler=constant"
        ) from error
    except TypeError as error:
        raise ValueError(
            f"optimizer or scheduler cannot be made ({error}); see conf/optimizer and conf/scheduler"
        ) from error
    return module


def build_trainer(cfg: DictConfig, callbacks: list[Callback]) -> lightning.Trainer:
    """Build the trainer without its logger, and refuse settings that this program does not support.

    If the run has several processes, the trainer belongs to one of them; see `launched`.

    Raises:
        ValueError: the number of processes does not fit the strategy or the batch size, gradients are accumulated, or
            a time ends the training.
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
    if cfg.trainer.get("max_time") is not None:
        raise ValueError(
            f"trainer.max_time (={cfg.trainer.max_time}) is not supported, because a run's length decides its "
            "schedule; set trainer.max_steps, or stop the run and go on later"
        )
    if trainer.accumulate_grad_batches != 1:
        raise ValueError(
            f"trainer.accumulate_grad_batches (={trainer.accumulate_grad_batches}) must be 1, because schedules count "
            "optimiser steps; set data.batch_size instead"
        )
    return trainer


def launched(trainer: lightning.Trainer) -> bool:
    """Return whether all processes of a run exist: a single one, or several that torchrun, srun or fae has started."""
    strategy = trainer.strategy
    if not isinstance(strategy, DDPStrategy):
        return True
    assert strategy.cluster_environment is not None
    return strategy.cluster_environment.creates_processes_externally


def quiet() -> None:
    """Hide messages that a user can do nothing about."""
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.distributed"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",  # the images are in memory
        ".*Checkpoint directory .* exists and is not empty.*",  # the folder is the run's own
        ".*The `srun` command is available.*",  # a single process was asked for
        ".*`compute`` method of metric MeanMetric was called before.*",  # a process may have no share of the images
        ".*recommended to use `self.log.*sync_dist=True.*",  # torchmetrics has added up the logged values
        ".*Found .* module.*in eval mode at the start of training.*",  # a frozen network stays in that mode
        ".*isinstance\\(treespec, LeafSpec\\).*",  # Lightning's own code causes it
    ):
        warnings.filterwarnings("ignore", message)
