from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from fae.module import AnomalyAutoencoder
from fae.picture.panel import colour_limit
from fae.picture.training import draw
from fae.score.levels import compared
from fae.tracking.logger import ResumableWandbLogger
from fae.types import Batch

KEY = "val/reconstructions"


class Reconstructions(Callback):
    """Shows in W&B how the network reconstructs damaged held-out images, from validation to validation.

    Every validation uses the same damage. The callback does not affect the training, and does nothing if W&B is
    disabled.

    Args:
        images: number of images to show, taken from the first batch, >= 1.
        every_n_validations: number of validations from one picture to the next, >= 1.

    Raises:
        ValueError: an argument is not positive.
    """

    def __init__(self, images: int, every_n_validations: int) -> None:
        for name, value in (("images", images), ("every_n_validations", every_n_validations)):
            if value < 1:
                raise ValueError(f"{name} (={value}) must be at least 1; ~callback.reconstructions shows none")
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
        """Draw the first batch; the network is in evaluation mode, and no gradients are kept."""
        logger, step = trainer.logger, trainer.global_step
        validation = step // max(1, int(trainer.val_check_interval))
        if batch_idx > 0 or trainer.sanity_checking or validation % self.every_n_validations != 0:
            return
        if not isinstance(logger, ResumableWandbLogger) or not logger.enabled:
            return
        assert isinstance(pl_module, AnomalyAutoencoder)
        assert not pl_module.training
        shown = batch.each(lambda part: part[: self.images])
        with torch.no_grad(), trainer.precision_plugin.forward_context():
            points = pl_module.in_space(shown)
            reconstruction = pl_module(points.corrupted)
        residual = compared(pl_module.residual, points.corrupted, reconstruction.float(), points.roi)
        perfect = compared(pl_module.residual, points.corrupted, points.clean, points.roi)
        if points.roi is not None:
            residual, perfect = residual.where(points.roi, 0), perfect.where(points.roi, 0)
        reconstruction = pl_module.network.space.picture(reconstruction, shown.clean.shape[-2:])
        logger.log_picture(KEY, draw(shown, reconstruction, residual, colour_limit(perfect.cpu()), step), step - 1)
