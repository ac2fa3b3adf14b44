import math

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch.optim.swa_utils import update_bn

from fae.data.module import DataModule


class CalibrateBatchNorm(Callback):
    """Takes batch norm's statistics from whole, undamaged images before every validation.

    Training sees crops, damage and the anchor's noise; statistics gathered there shift the brightness of what the
    network returns for the images that are scored. Ours, not the paper's; experiments/corruption has the figures.
    last.ckpt holds what training has made of the statistics since.

    Args:
        images: how many training images to take, evenly spread.

    Raises:
        ValueError: `images` is below 1.
    """

    def __init__(self, images: int) -> None:
        if images < 1:
            raise ValueError(f"images (={images}) must be at least 1; leave the callback out by ~callback.calibrate")
        self.images = images

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Gather the statistics anew; validation scores and checkpoints hold them."""
        data: DataModule = trainer.datamodule  # type: ignore[attr-defined]
        count = len(data.train.samples)
        chosen = torch.linspace(0, count - 1, min(self.images, count)).round().long()
        # Each batch from all over the set: what neighbours have in common would be missing in a batch's variance.
        parts = math.ceil(len(chosen) / data.batch_size)
        batches = (data.train.image[chosen[i::parts]].to(pl_module.device) / 255 for i in range(parts))
        with trainer.precision_plugin.forward_context():
            update_bn(batches, pl_module)
