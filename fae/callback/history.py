from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from fae.tracking.logger import ResumableWandbLogger


class History(Callback):
    """Logs the training losses, and keeps what was logged in last.ckpt, so that a resumed run shows all of it.

    It logs a step before the checkpoint of that step is written. Lightning would log it afterwards, and a run that
    stops there would lose it.
    """

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Log, every `trainer.log_every_n_steps` steps."""
        step = trainer.global_step
        if step % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            # Of several processes each knows the loss of its share.
            reduced = {
                k: trainer.strategy.reduce(v) for k, v in trainer.callback_metrics.items() if k.startswith("train/")
            }
            if (logger := _logger(trainer)) is not None:
                logger.log_metrics({key: float(value) for key, value in reduced.items()}, step - 1)

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep the history."""
        if (logger := _logger(trainer)) is not None:
            checkpoint["history"] = list(logger.history)

    def on_load_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Show it again; a checkpoint of an older version has none."""
        if (logger := _logger(trainer)) is not None:
            logger.restore(checkpoint.get("history", []))


def _logger(trainer: lightning.Trainer) -> ResumableWandbLogger | None:
    """That of the first process; the others log nothing."""
    if not trainer.is_global_zero:
        return None
    assert isinstance(trainer.logger, ResumableWandbLogger)
    return trainer.logger
