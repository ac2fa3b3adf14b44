from collections.abc import Callable
from typing import Any, NamedTuple

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import MeanMetric

from fae.metric.pixel import MEASURES
from fae.metric.streaming import StreamingPixelMetrics
from fae.types import Batch, Images, Losses, Objective, Residual


class Prediction(NamedTuple):
    """What one forward pass says of a batch of images, on the CPU."""

    residual: Tensor
    """`(B, 1, H, W)` float32, eq. 2 or 1 − SSIM."""
    reconstruction: Tensor
    """`(B, 3, H, W)` uint8."""
    sample: Tensor
    """`(B,)` int64, positions in the split."""


class AnomalyAutoencoder(lightning.LightningModule):
    """Wires model, objective and optimiser; holds no idea of its own.

    Args:
        model: `(B, 3, H, W)` to `(B, 3, H, W)`, both in [0, 1].
        objective: see `fae.types.Objective`.
        optimizer: from parameters to an optimiser.
        scheduler: from an optimiser to a schedule that is stepped after every optimiser step.
        residual: compares images with their reconstructions, see `fae.types.Residual`.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        optimizer: Callable[[Any], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler],
        residual: Residual,
    ) -> None:
        super().__init__()
        self.model = model
        self.objective = objective
        self.optimizer, self.scheduler = optimizer, scheduler
        self.residual = residual
        self.in_training: Callable[[Tensor], Tensor] | None = None  # the same, compiled; see fae.callback.compiled
        self.val_pixels = StreamingPixelMetrics()
        # Metrics, not logged scalars: they add up exactly over processes with different numbers of images.
        # A NaN is for FiniteLoss to explain, here and below.
        self.val_loss = MeanMetric(nan_strategy="disable")
        self.val_restoration_error = MeanMetric(nan_strategy="disable")
        self.val_normal_error = MeanMetric(nan_strategy="disable")

    def forward(self, image: Tensor) -> Tensor:
        """Reconstruct `(B, 3, H, W)` images."""
        network = self.in_training if self.training and self.in_training is not None else self.model
        reconstruction: Tensor = network(image.contiguous(memory_format=torch.channels_last))
        return reconstruction

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """One step on corrupted crops; logs the loss and its parts."""
        losses: Losses = self.objective(self(batch.corrupted), *batch)
        # Not for the progress bar, for which Lightning would wait for their values in every step, shown or not.
        self.log_dict(
            {
                "train/loss": losses.total.detach(),
                "train/normal": losses.normal.detach(),
                "train/corrupted": losses.corrupted.detach(),
            },
            logger=False,  # see fae.callback.history
        )
        return losses.total

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Restoration error and ordinary error; counts pixels."""
        if not len(batch.clean):
            return  # of a batch smaller than the number of processes
        reconstruction = self(batch.corrupted)
        losses: Losses = self.objective(reconstruction, *batch)
        error = (reconstruction - batch.clean).square().mean(dim=1, keepdim=True).float()
        damaged = batch.corruption_mask
        self.val_loss.update(losses.total, len(batch.clean))
        self.val_restoration_error.update(error, damaged)
        self.val_normal_error.update(error, 1 - damaged)
        residual = self.residual(batch.corrupted, reconstruction).nan_to_num(nan=torch.inf)
        self.val_pixels.update(residual, damaged > 0.5)

    def on_validation_epoch_end(self) -> None:
        """Means over all held-out images, and how well the residual finds the damage, over all their pixels."""
        for name, mean in (
            ("loss", self.val_loss),
            ("restoration_error", self.val_restoration_error),
            ("normal_error", self.val_normal_error),
        ):
            self.log(f"val/{name}", mean.compute())
            mean.reset()
        found = self.val_pixels.compute()
        for measure in MEASURES:
            if not measure.by_region:
                self.log(f"val/{measure.key('pixel')}", found[measure.name].float())
        self.val_pixels.reset()

    def predict_step(self, batch: Images, batch_idx: int, dataloader_idx: int = 0) -> Prediction:
        """Residual maps and reconstructions of images as they are."""
        reconstruction = self(batch.image)
        residual = self.residual(batch.image, reconstruction)
        return Prediction(residual.cpu(), (reconstruction * 255).round().byte().cpu(), batch.sample.cpu())

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """One optimiser; the schedule is a function of step / max_steps."""
        optimizer = self.optimizer(self.parameters())
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self.scheduler(optimizer), "interval": "step"},
        }
