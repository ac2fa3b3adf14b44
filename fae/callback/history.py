from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from fae.tracking.logger import ResumableWandbLogger


class History(Callback):
    """Logs the training losses, and keeps all logged values in last.ckpt, so that a resumed run shows all of them.

    The losses of a step are logged before the checkpoint of that step is written. Lightning would log them afterwards,
    and a run that stops in between would lose them.
    """

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Log the losses every `trainer.log_every_n_steps` steps."""
        step = trainer.global_step
        if step % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            # Each of several processes only knows the loss of its share of the images.
            reduced = {
                k: trainer.strategy.reduce(v) for k, v in trainer.callback_metrics.items() if k.startswith("train/")
            }
            if (logger := _logger(trainer)) is not None:
                logger.log_metrics({key: float(value) for key, value in reduced.items()}, step - 1)

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Store the history in the checkpoint."""
        if (logger := _logger(trainer)) is not None:
            checkpoint["history"] = list(logger.history)

    def on_load_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Show the stored history again; a checkpoint of an older version has none."""
        if (logger := _logger(trainer)) is not None:
            logger.restore(checkpoint.get("history", []))


def _logger(trainer: lightning.Trainer) -> ResumableWandbLogger | None:
    """Return the logger of the first process; the other processes log nothing."""
    if not trainer.is_global_zero:
        return None
    assert isinstance(trainer.logger, ResumableWandbLogger)
    return trainer.logger
