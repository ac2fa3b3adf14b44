"""A training step of a real run, its parts by themselves, and the step of the plain implementation, in turn."""

import copy
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from experiments.benchmark.floor import PRODUCT, Machine, bandwidth, operations, product
from experiments.benchmark.plain import PlainImages, plain_auroc, plain_batches, plain_step
from experiments.benchmark.process import aside
from experiments.benchmark.subject import Subject, subject_of
from experiments.benchmark.timing import AT_LEAST, Work, summary
from experiments.benchmark.turns import BARE, STEP, WARM_UP, Turns
from fae.callback.compiled import was_compiled
from fae.metric.streaming import StreamingPixelMetrics
from fae.run.build import build_trainer
from fae.run.identity import resolved
from fae.tracking.session import start, wandb_run

PLAIN = "plain: step"
_IN_A_ROW = {"cuda": 10}
"""Number of steps of a round on a device where the host runs ahead; elsewhere 1."""
_MAPS = 32
"""Number of anomaly maps of a small test set."""


def training(subject: Subject, folder: Path, seconds: float, in_a_row: int | None = None) -> dict[str, Any]:
    """Time a training step of the last crop stage.

    Args:
        subject: network, objective and data.
        folder: folder for the run's files, which are removed at the end.
        seconds: approximate time in seconds.
        in_a_row: number of steps of a round; None takes 10 on a GPU and 1 elsewhere.

    Returns:
        `times` by name, what follows from them, and whether the network of the step was `compiled`.

    Raises:
        ValueError: the training has too few steps for three rounds.
    """
    data, device = subject.data, subject.device
    in_a_row = in_a_row or _IN_A_ROW.get(device.type, 1)
    least = (WARM_UP + AT_LEAST) * in_a_row
    if data.max_steps <= least:
        raise ValueError(
            f"trainer.max_steps (={data.max_steps}) must be more than {least}, so that three rounds can be timed"
        )
    parts = _Parts(subject)
    work: dict[str, Work] = {
        "optimiser": parts.optimizer.step,
        "data: gather": lambda: next(parts.raw),
        "crop, augmentation and corruption": parts.prepare,
        f"pixel metrics of {_MAPS} maps": parts.streaming,
        f"plain: torchmetrics AUROC of {_MAPS} maps": lambda: plain_auroc(parts.residual, parts.damaged),
    }
    bytes_per_s = bandwidth(device)
    work[PRODUCT], flop_of_product = product(device, subject.dtype, subject.cfg.benchmark.matrix_side)
    with aside(_plain, resolved(subject.cfg), device=device) as work[PLAIN]:
        turns = Turns(work, device, seconds, in_a_row)
        compiled = _fit(subject, turns, folder)
    shape = (data.batch_size, 3, *data.stages[-1])
    found = operations(subject.module().network.model, shape, subject.dtype, training=True)
    times = {name: summary(values) for name, values in turns.times.items()}
    median = {name: values["median_ms"] / 1e3 for name, values in times.items()}
    able = Machine(flop_of_product / median[PRODUCT], bytes_per_s)
    flop = sum(one.flop for one in found)
    return {
        "batch": list(shape),
        "compiled": compiled,
        "times": times,
        "floor": {
            "tflop": flop / 1e12,
            "gib": sum(one.bytes for one in found) / 2**30,
            "matrix_gflop_per_s": able.flop_per_s / 1e9,
            "copy_gb_per_s": able.bytes_per_s / 1e9,
            "arithmetic_ms": 1e3 * flop / able.flop_per_s,
            "memory_ms": 1e3 * sum(one.bytes for one in found) / able.bytes_per_s,
            "floor_ms": 1e3 * able.floor_s(found),
        },
        "speedup_over_plain": median[PLAIN] / median[STEP],
        "share_of_matrix_rate": flop / median[STEP] / able.flop_per_s,
        "bare_share_of_matrix_rate": flop / median[BARE] / able.flop_per_s,
        "over_forward_and_backward": _median_ratio(turns.times[STEP], turns.times[BARE]) - 1,
        "over_forward_backward_and_optimiser": _median_ratio(
            turns.times[STEP], [bare + median["optimiser"] for bare in turns.times[BARE]]
        )
        - 1,
    }


def _plain(plain: dict[str, Any]) -> Work:
    subject = subject_of(plain)
    data = subject.data
    crop = data.stages[-1]
    paths = [sample.path for sample in data.train.samples]
    batches = plain_batches(PlainImages(paths, data.image_size or crop, crop), data.batch_size)
    module = subject.module()
    return plain_step(module.network.model, module.objective, batches, subject.device)


class _Parts:
    """The parts of a step, on a network and a batch that the training does not use."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.module = subject.module().train()
        self.optimizer = self.module.optimizer(self.module.parameters())
        self.raw = subject.raw()
        self.first = next(self.raw)
        self.batch = subject.batch()
        which = torch.arange(_MAPS, device=subject.device) % len(self.batch.clean)
        error = (self.batch.corrupted - self.batch.clean).square().mean(dim=1, keepdim=True)
        noise = torch.rand(_MAPS, *error.shape[1:], device=subject.device)
        self.residual = error[which] + 1e-3 * noise  # so that no two pixels are equal, as in maps of a network
        self.damaged = (self.batch.corruption_mask > 0.5)[which]
        for parameter in self.module.parameters():
            parameter.grad = torch.zeros_like(parameter)

    def prepare(self) -> None:
        self.subject.data.training_batch(self.first)

    def streaming(self) -> None:
        metrics = StreamingPixelMetrics().to(self.subject.device)
        metrics.update(self.residual, self.damaged)
        metrics.compute()


def _median_ratio(one: list[float], other: list[float]) -> float:
    return float(np.median(np.divide(one, other)))


def _fit(subject: Subject, turns: Turns, folder: Path) -> bool:
    """Train as `fae.train` does, with all callbacks and the logger, in a temporary folder.

    Returns:
        whether the network was compiled.
    """
    with TemporaryDirectory(dir=folder, prefix=".training-") as run_dir:
        cfg = copy.deepcopy(subject.cfg)
        OmegaConf.set_struct(cfg, False)
        cfg.run_dir, cfg.trainer.limit_val_batches = run_dir, 0
        callbacks = instantiate(cfg.callback, _convert_="all").values()
        trainer = build_trainer(cfg, [turns, *callbacks])
        with wandb_run(Path(run_dir), Path(cfg.cache_dir)):
            trainer.logger = start(
                instantiate(cfg.logger, _partial_=True, _convert_="all"),
                "disabled" if cfg.logger.mode == "disabled" else "offline",
                Path(run_dir),
                "benchmark",
                ["benchmark"],
                resolved(cfg),
            )
            with redirect_stdout(StringIO()), redirect_stderr(StringIO()):  # the progress bar works, but nobody sees it
                trainer.fit(subject.module(), datamodule=subject.data)
    return was_compiled(trainer)
