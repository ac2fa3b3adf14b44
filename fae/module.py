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
    """The result of one forward pass for a batch of images, on the CPU."""

    residual: Tensor
    """`(B, 1, H, W)` float32 residuals, e.g. of eq. 2 or 1 − SSIM."""
    reconstruction: Tensor
    """`(B, 3, H, W)` uint8 reconstructions."""
    sample: Tensor
    """`(B,)` int64 positions of the images in the split."""


class AnomalyAutoencoder(lightning.LightningModule):
    """Connects model, objective and optimiser, and logs; it holds no idea of its own.

    Args:
        model: network from `(B, 3, H, W)` to `(B, 3, H, W)`, both in [0, 1].
        objective: training objective, see `fae.types.Objective`.
        optimizer: function from parameters to an optimiser.
        scheduler: function from an optimiser to a schedule, which is stepped after every optimiser step.
        residual: function that compares images with their reconstructions, see `fae.types.Residual`.
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
        self.in_training: Callable[[Tensor], Tensor] | None = None  # the compiled model, see fae.callback.compiled
        self.val_pixels = StreamingPixelMetrics()
        # Unlike logged scalars, metrics add up exactly over processes with different numbers of images.
        # NaN is let through, here and below, because FiniteLoss explains it.
        self.val_loss = MeanMetric(nan_strategy="disable")
        self.val_restoration_error = MeanMetric(nan_strategy="disable")
        self.val_normal_error = MeanMetric(nan_strategy="disable")

    def forward(self, image: Tensor) -> Tensor:
        """Reconstruct `(B, 3, H, W)` images."""
        network = self.in_training if self.training and self.in_training is not None else self.model
        reconstruction: Tensor = network(image.contiguous(memory_format=torch.channels_last))
        return reconstruction

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of one step on corrupted crops; log the loss and its parts."""
        losses: Losses = self.objective(self(batch.corrupted), *batch)
        # The progress bar does not get them: Lightning would wait for their values in every step, shown or not.
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
        """Add up the loss and the errors on damaged and on undamaged pixels, and count the pixels' residuals."""
        if not len(batch.clean):
            return  # the batch is smaller than the number of processes
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
        """Log means over all held-out images, and how well the residual finds the damage in all of their pixels."""
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
        """Return residuals and reconstructions of images without synthetic damage."""
        reconstruction = self(batch.image)
        residual = self.residual(batch.image, reconstruction)
        return Prediction(residual.cpu(), (reconstruction * 255).round().byte().cpu(), batch.sample.cpu())

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return one optimiser and its schedule, which is a function of step / max_steps."""
        optimizer = self.optimizer(self.parameters())
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self.scheduler(optimizer), "interval": "step"},
        }
