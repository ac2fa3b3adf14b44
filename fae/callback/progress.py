from typing import Any

import lightning
from lightning.pytorch.callbacks import TQDMProgressBar


class StepProgressBar(TQDMProgressBar):
    """Lightning's progress bar over optimiser steps instead of epochs: loss, crop size, steps a second, time left."""

    @property
    def total_train_batches(self) -> int | float:
        """The endless stream ends at `max_steps`."""
        return self.trainer.max_steps if self.trainer.max_steps > 0 else super().total_train_batches

    def on_train_epoch_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Count on from where a resumed run stopped; there is only one epoch."""
        super().on_train_epoch_start(trainer, *_)
        self.train_progress_bar.initial = trainer.global_step
        self.train_progress_bar.set_description("training")

    def get_metrics(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Without the logger's version, which says nothing to a reader."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics
