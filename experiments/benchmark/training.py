"""A training step as it is run, its parts by themselves, and the plain implementation's, in turn."""

import copy
import time
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import lightning
import numpy as np
import torch
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback
from omegaconf import OmegaConf

from experiments.benchmark.floor import PRODUCT, Machine, bandwidth, operations, product
from experiments.benchmark.plain import PlainImages, plain_auroc, plain_batches, plain_step
from experiments.benchmark.process import aside
from experiments.benchmark.subject import Subject, subject_of
from experiments.benchmark.timing import AT_LEAST, AT_MOST, Work, shuffled, summary, timed, wait
from fae.callback.compiled import was_compiled
from fae.metric.streaming import StreamingPixelMetrics
from fae.run.build import build_trainer
from fae.run.identity import resolved
from fae.tracking.session import start, wandb_run

STEP, PLAIN, BARE = "step", "plain: step", "of a step: forward and backward"
FORWARD = "of a step: forward"
_WARM_UP = 2  # rounds
_IN_A_ROW = {"cuda": 10}
"""Steps of a round, where the host runs ahead of the device; elsewhere one."""
Mark = float | torch.cuda.Event
_MAPS = 32  # of a small test set


class Turns(Callback):
    """Between steps of a real training, all the others have their turn; then the training is stopped.

    Within the step, forward and backward are timed by hooks, so that what the step takes beyond them is told from the
    same step; on a CUDA device by its own clock, without waiting for it. Must be the first callback: a step is all that
    lies between two calls.

    Args:
        work: the others by name, in another order in each round, as each finds memory as the last left it.
        device: where they run.
        seconds: how long, about.
    """

    def __init__(self, work: Mapping[str, Work], device: torch.device, seconds: float) -> None:
        self.work, self.device, self.seconds = work, device, seconds
        self.times: dict[str, list[float]] = {name: [] for name in (STEP, BARE, FORWARD, *work)}
        self._in_a_row = _IN_A_ROW.get(device.type, 1)
        self._spans: dict[str, list[tuple[Mark, Mark]]] = {"forward": [], "objective": [], "backward": []}
        self._began: Mark = 0.0
        self._started = self._resumed = 0.0

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Hook into network and objective."""
        for name, part in {"forward": pl_module, "objective": pl_module.objective}.items():
            assert isinstance(part, torch.nn.Module)
            part.register_forward_pre_hook(self._begin)
            part.register_forward_hook(partial(self._end, name))

    def _begin(self, *_: Any) -> None:
        self._began = self._mark()

    def _end(self, name: str, *_: Any) -> None:
        self._spans[name].append((self._began, self._mark()))

    def on_before_backward(self, *_: Any) -> None:
        """Begin the backward pass."""
        self._begin()

    def on_after_backward(self, *_: Any) -> None:
        """End it."""
        self._end("backward")

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """End the time of a round's steps, measure the others, begin the next round."""
        if batch_idx % self._in_a_row:
            return
        wait(self.device)
        step = (time.perf_counter() - self._resumed) / self._in_a_row
        taken = {name: sum(_between(*span) for span in spans) / self._in_a_row for name, spans in self._spans.items()}
        names = list(self.work)
        round_ = batch_idx // self._in_a_row
        others = {name: timed(self.work[name], self.device) for name in shuffled(names, round_)}
        if round_ <= _WARM_UP:
            self._started = time.perf_counter()
        else:
            own = {STEP: step, BARE: sum(taken.values()), FORWARD: taken["forward"]}
            for name, seconds in (own | others).items():
                self.times[name].append(seconds)
            done = len(self.times[STEP])
            late = time.perf_counter() - self._started > self.seconds
            trainer.should_stop = done >= AT_MOST or (done >= AT_LEAST and late)
        for spans in self._spans.values():
            spans.clear()
        self._resumed = time.perf_counter()

    def _mark(self) -> Mark:
        if self.device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event


def _between(begin: Mark, end: Mark) -> float:
    """Seconds."""
    if isinstance(begin, float) and isinstance(end, float):
        return end - begin
    assert isinstance(begin, torch.cuda.Event)
    assert isinstance(end, torch.cuda.Event)
    return float(begin.elapsed_time(end)) / 1e3


def training(subject: Subject, folder: Path, seconds: float) -> dict[str, Any]:
    """Time a training step of the last crop stage.

    Args:
        subject: what to train.
        folder: for the run's own files, which do not stay.
        seconds: how long, about.

    Returns:
        `times` by name, what follows from them, and whether the network of the step was `compiled`.

    Raises:
        ValueError: the training has too few steps for three rounds.
    """
    data, device = subject.data, subject.device
    least = (_WARM_UP + AT_LEAST) * _IN_A_ROW.get(device.type, 1)
    if data.max_steps <= least:
        raise ValueError(
            f"trainer.max_steps (={data.max_steps}) must be more than {least}, to be timed in three rounds"
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
    work[PRODUCT], flop_of_product = product(device, subject.dtype)
    with aside(_plain, resolved(subject.cfg), device=device) as work[PLAIN]:
        turns = Turns(work, device, seconds)
        compiled = _fit(subject, turns, folder)
    shape = (data.batch_size, 3, *data.stages[-1])
    found = operations(subject.module().model, shape, subject.dtype, training=True)
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
    return plain_step(module.model, module.objective, batches, subject.device)


class _Parts:
    """The parts of a step, on copies that the training does not know of."""

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
        self.residual = error[which] + 1e-3 * noise  # no two pixels alike, as those of a network
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
    """A training as fae.train's, with all callbacks and the logger, in a folder that goes afterwards.

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
            with redirect_stdout(StringIO()), redirect_stderr(StringIO()):  # the progress bar works, but is not shown
                trainer.fit(subject.module(), datamodule=subject.data)
    return was_compiled(trainer)
