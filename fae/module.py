from collections.abc import Callable
from typing import Any, NamedTuple

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fae.metric.streaming import StreamingPixelMetrics
from fae.score.residual import residual_map
from fae.types import Batch, Images, Losses, Objective


class Prediction(NamedTuple):
    """What one forward pass says of a batch of images, on the CPU."""

    residual: Tensor
    """`(B, 1, H, W)` float32, eq. 2 or 1 − SSIM."""
    reconstruction: Tensor
    """`(B, 3, H, W)` uint8."""
    sample: Tensor
    """`(B,)` int64, positions in the split."""


class FilteringAutoencoder(lightning.LightningModule):
    """Wires model, objective and optimiser; holds no idea of its own.

    Args:
        model: `(B, 3, H, W)` to `(B, 3, H, W)`, both in [0, 1].
        objective: see `fae.types.Objective`.
        optimizer: from parameters to an optimiser.
        scheduler: from an optimiser to a schedule that is stepped after every optimiser step.
        residual: from images and reconstructions `(B, 3, H, W)` to residual maps `(B, 1, H, W)`.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        optimizer: Callable[[Any], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler],
        residual: Callable[[Tensor, Tensor], Tensor] = residual_map,
    ) -> None:
        super().__init__()
        self.model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.objective = objective
        self.optimizer, self.scheduler = optimizer, scheduler
        self.residual = residual
        self.val_pixels = StreamingPixelMetrics()

    def forward(self, image: Tensor) -> Tensor:
        """Reconstruct `(B, 3, H, W)` images."""
        reconstruction: Tensor = self.model(image.contiguous(memory_format=torch.channels_last))
        return reconstruction

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """One step on corrupted crops; logs the loss and its parts."""
        losses: Losses = self.objective(self(batch.corrupted), *batch)
        self.log("loss", losses.total.detach(), prog_bar=True, logger=False)
        self.log("crop", float(batch.clean.shape[-1]), prog_bar=True, logger=False)
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
        reconstruction = self(batch.corrupted)
        losses: Losses = self.objective(reconstruction, *batch)
        error = (reconstruction - batch.clean).square().mean(dim=1, keepdim=True)
        damaged = batch.corruption_mask
        size = len(batch.clean)
        self.log_dict(
            {
                "val/loss": losses.total,
                "val/restoration_error": (damaged * error).sum() / damaged.sum().clamp_min(1e-6),
                "val/normal_error": ((1 - damaged) * error).sum() / (1 - damaged).sum().clamp_min(1e-6),
            },
            batch_size=size,
            sync_dist=True,
        )
        # A NaN is for FiniteLoss to explain.
        residual = self.residual(batch.corrupted, reconstruction).nan_to_num(nan=torch.inf)
        self.val_pixels.update(residual, damaged > 0.5)

    def on_validation_epoch_end(self) -> None:
        """How well the residual finds the damage, over all held-out pixels."""
        found = self.val_pixels.compute()
        for name in ("auroc", "average_precision", "best_f1"):
            self.log(f"val/pixel_{name}", found[name].float())
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
