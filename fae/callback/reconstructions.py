from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from fae.module import AnomalyAutoencoder
from fae.picture.panel import colour_limit
from fae.picture.training import draw
from fae.tracking.logger import ResumableWandbLogger
from fae.types import Batch

KEY = "val/reconstructions"


class Reconstructions(Callback):
    """Shows in W&B what the network makes of damaged held-out images, from validation to validation.

    The damage is that of every validation. Changes nothing of the training, and does nothing where W&B is disabled.

    Args:
        images: how many, of those in the first batch.
        every_n_validations: how often.

    Raises:
        ValueError: an argument is not positive.
    """

    def __init__(self, images: int, every_n_validations: int) -> None:
        for name, value in (("images", images), ("every_n_validations", every_n_validations)):
            if value < 1:
                raise ValueError(f"{name} (={value}) must be at least 1; ~callback.reconstructions leaves them out")
        self.images, self.every_n_validations = images, every_n_validations

    def on_validation_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Look at the first batch, where the network is in evaluation mode and no gradients are kept."""
        logger, step = trainer.logger, trainer.global_step
        validation = step // max(1, int(trainer.val_check_interval))
        if batch_idx > 0 or trainer.sanity_checking or validation % self.every_n_validations != 0:
            return
        if not isinstance(logger, ResumableWandbLogger) or not logger.enabled:
            return
        assert isinstance(pl_module, AnomalyAutoencoder)
        assert not pl_module.training
        shown = Batch(*(part[: self.images] for part in batch))
        with torch.no_grad(), trainer.precision_plugin.forward_context():
            reconstruction = pl_module(shown.corrupted)
        residual = pl_module.residual(shown.corrupted, reconstruction.float())
        perfect = pl_module.residual(shown.corrupted, shown.clean)
        logger.log_picture(KEY, draw(shown, reconstruction, residual, colour_limit(perfect.cpu()), step), step - 1)
