from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor


class FiniteLoss(Callback):
    """Stops the run if the loss becomes NaN or infinite.

    Args:
        every_n_steps: number of steps between two checks by the host. The device watches every step, and the host does
            not wait for it.
    """

    def __init__(self, every_n_steps: int) -> None:
        self.every_n_steps = every_n_steps
        self._finite: Tensor | None = None

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, *_: Any
    ) -> None:
        """Watch the loss of one step.

        Raises:
            FloatingPointError: the loss was NaN or infinite.
        """
        finite = torch.isfinite(outputs["loss"]).all()
        self._finite = finite if self._finite is None else self._finite & finite
        if trainer.global_step % self.every_n_steps == 0:
            self._check(trainer.global_step)

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep a broken model out of last.ckpt."""
        self._check(trainer.global_step)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Watch the validation loss: otherwise early stopping would end a broken run as if it had converged."""
        loss = trainer.callback_metrics.get("val/loss")
        if loss is not None and not bool(torch.isfinite(loss)):
            self._finite = torch.tensor(False)
            self._check(trainer.global_step)

    def _check(self, step: int) -> None:
        if self._finite is not None and not bool(self._finite):
            raise FloatingPointError(
                f"the loss became NaN or infinite at or shortly before step {step}; lower optimizer.lr, "
                "or set trainer.precision=32-true. The last checkpoint is older than this failure"
            )
