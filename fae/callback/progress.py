from typing import Any

import lightning
from lightning.pytorch.callbacks import TQDMProgressBar

from fae.data.module import DataModule


class StepProgressBar(TQDMProgressBar):
    """Shows progress in optimiser steps instead of epochs, with loss, crop size, steps per second and time left."""

    _loss: float | None = None  # the last one that was logged

    @property
    def total_train_batches(self) -> int | float:
        """The number of steps: the endless stream of batches ends at `max_steps`."""
        return self.trainer.max_steps if self.trainer.max_steps > 0 else super().total_train_batches

    def on_train_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Continue the count of steps; a resumed run does not start its only epoch again."""
        super().on_train_start(trainer, *_)
        self._continue(trainer)

    def on_train_epoch_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Keep the count of steps."""
        super().on_train_epoch_start(trainer, *_)
        self._continue(trainer)

    def _continue(self, trainer: lightning.Trainer) -> None:
        self.train_progress_bar.total = self.total_train_batches
        self.train_progress_bar.initial = self.train_progress_bar.n = trainer.global_step
        self.train_progress_bar.set_description("training")

    def get_metrics(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Return the crops' width in px, and the loss of the last logged step; any other loss would stall the host."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)  # the logger's version says nothing to a reader
        due = trainer.global_step % trainer.log_every_n_steps == 0  # type: ignore[attr-defined]
        if (due or self._loss is None) and "train/loss" in trainer.callback_metrics:
            self._loss = float(trainer.callback_metrics["train/loss"])
        if self._loss is not None:
            data: DataModule = trainer.datamodule  # type: ignore[attr-defined]
            metrics |= {"loss": self._loss, "crop": data.crop_size(trainer.global_step - 1)[1]}
        return metrics
