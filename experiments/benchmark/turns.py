"""Times of the steps of a real training, and of other work that takes turns with them."""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from experiments.benchmark.timing import AT_LEAST, AT_MOST, Work, shuffled, timed, wait

STEP, BARE, FORWARD = "step", "of a step: forward and backward", "of a step: forward"
WARM_UP = 2
"""Rounds whose times are not kept."""
Mark = float | torch.cuda.Event


class Turns(Callback):
    """Between the steps of a training, let all other work have its turn; stop the training after the last round.

    Hooks time forward and backward within the step, so that the remaining time belongs to the same step. A CUDA device
    times them by its own clock, without waiting. This must be the first callback: then nothing but a step lies between
    two of its calls.

    Args:
        work: the other work by name; the order changes from round to round, because each finds memory as the one
            before it left it.
        device: the device that everything runs on.
        seconds: approximate time in seconds of all rounds.
        in_a_row: number of steps of a round; several where the host runs ahead of the device.
    """

    def __init__(self, work: Mapping[str, Work], device: torch.device, seconds: float, in_a_row: int = 1) -> None:
        self.work, self.device, self.seconds, self.in_a_row = work, device, seconds, in_a_row
        self.times: dict[str, list[float]] = {name: [] for name in (STEP, BARE, FORWARD, *work)}
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
        """Note the beginning of the backward pass."""
        self._begin()

    def on_after_backward(self, *_: Any) -> None:
        """Note the end of the backward pass."""
        self._end("backward")

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Take the time of a round's steps, measure the other work, and begin the next round."""
        if batch_idx % self.in_a_row:
            return
        wait(self.device)
        step = (time.perf_counter() - self._resumed) / self.in_a_row
        taken = {name: sum(_between(*span) for span in spans) / self.in_a_row for name, spans in self._spans.items()}
        round_ = batch_idx // self.in_a_row
        others = {name: timed(self.work[name], self.device) for name in shuffled(list(self.work), round_)}
        if round_ <= WARM_UP:
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
    """Seconds between two marks."""
    if isinstance(begin, float) and isinstance(end, float):
        return end - begin
    assert isinstance(begin, torch.cuda.Event)
    assert isinstance(end, torch.cuda.Event)
    return float(begin.elapsed_time(end)) / 1e3
