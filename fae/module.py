from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import MeanMetric

from fae.head.head import Part
from fae.metric.pixel import MEASURES
from fae.metric.streaming import StreamingPixelMetrics
from fae.network import Network
from fae.score.levels import compared
from fae.types import Batch, Images, Losses, Objective, Residual

_PART = 32  # images whose points are in memory at once


class Prediction(NamedTuple):
    """The result of one forward pass for a batch of images, on the CPU."""

    levels: Tensor
    """`(B, L, h, w)` float32 residuals of each level, e.g. of eq. 2 or 1 − SSIM, and the head's evidence."""
    reconstruction: Tensor
    """`(B, 3, H, W)` uint8 pictures of the reconstructions."""
    sample: Tensor
    """`(B,)` int64 positions of the images in the split."""


class AnomalyAutoencoder(lightning.LightningModule):
    """Connects network, objective and optimiser, and logs; it holds no idea of its own.

    Args:
        network: space, model and head.
        objective: training objective, see `fae.types.Objective`.
        optimizer: function from parameters to an optimiser.
        scheduler: function from an optimiser to a schedule, which is stepped after every optimiser step.
        residual: function that compares images with their reconstructions, see `fae.types.Residual`.
    """

    def __init__(
        self,
        network: Network,
        objective: Objective,
        optimizer: Callable[[Any], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler],
        residual: Residual,
    ) -> None:
        super().__init__()
        self.network = network
        self.objective = objective
        self.optimizer, self.scheduler = optimizer, scheduler
        self.residual = residual
        self.in_training: Callable[[Tensor], Tensor] | None = None  # the compiled model, see fae.callback.compiled
        # The residual, and each map of the head, by the name of what is logged.
        self.val_found = nn.ModuleDict({name: StreamingPixelMetrics() for name in ("pixel", *network.head.names)})
        # Unlike logged scalars, metrics add up exactly over processes with different numbers of images.
        # NaN is let through, here and below, because FiniteLoss explains it.
        self.val_loss = MeanMetric(nan_strategy="disable")
        self.val_restoration_error = MeanMetric(nan_strategy="disable")
        self.val_normal_error = MeanMetric(nan_strategy="disable")

    def forward(self, point: Tensor) -> Tensor:
        """Reconstruct points `(B, C, h, w)` of the space."""
        model = self.in_training if self.training and self.in_training is not None else self.network.model
        reconstruction: Tensor = model(point.contiguous(memory_format=torch.channels_last))
        return reconstruction

    def in_space(self, batch: Batch) -> Batch:
        """Bring a batch of images to the space of the network: X, X̂, M, and the cells that count."""
        space = self.network.space
        roi = None if batch.roi is None else space.cells(batch.roi)
        return Batch(space.undamaged(batch.clean), space(batch.corrupted), space.mask(batch.corruption_mask), roi)

    def on_fit_start(self) -> None:
        """Let space and head look at the training images, unless a checkpoint has brought what they know."""
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        image, roi = data.train.image, data.train.roi
        chunks = -(-len(image) // data.batch_size)
        self.network.space.fit(torch.chunk(image, chunks), None if roi is None else torch.chunk(roi, chunks))
        self.network.head.remember(_Points(self, image, roi), len(image), self.network.space.fine)

    def on_fit_end(self) -> None:
        """Free what the space has kept for training."""
        self.network.space.forget()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of one step on corrupted crops; log the loss and its parts."""
        points = self.in_space(batch)
        reconstruction = self(points.corrupted)
        losses: Losses = self.objective(reconstruction, *points.parts)
        beside = self.network.head.losses(points.corrupted, reconstruction, batch)
        # The progress bar does not get them: Lightning would wait for their values in every step, shown or not.
        self.log_dict(
            {
                "train/loss": losses.total.detach(),
                "train/normal": losses.normal.detach(),
                "train/corrupted": losses.corrupted.detach(),
            }
            | {f"train/{name}": loss.detach() for name, loss in beside.items()},
            logger=False,  # see fae.callback.history
        )
        return sum(beside.values(), losses.total)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add up the loss and the errors on damaged and on undamaged cells, and count the cells' residuals."""
        if not len(batch.clean):
            return  # the batch is smaller than the number of processes
        points = self.in_space(batch)
        reconstruction = self(points.corrupted)
        losses: Losses = self.objective(reconstruction, *points.parts)
        error = (reconstruction - points.clean).square().mean(dim=1, keepdim=True).float()
        damaged, judged = points.corruption_mask, points.roi
        self.val_loss.update(losses.total, len(batch.clean))
        self.val_restoration_error.update(error, damaged if judged is None else damaged * judged)
        self.val_normal_error.update(error, 1 - damaged if judged is None else (1 - damaged) * judged)
        residual = compared(self.residual, points.corrupted, reconstruction, judged)
        maps = torch.cat([residual, self.network.head.evidence(points.corrupted, reconstruction)], dim=1)
        for metric, one in zip(
            self.val_found.values(), torch.split(maps.nan_to_num(nan=torch.inf), 1, dim=1), strict=True
        ):
            assert isinstance(metric, StreamingPixelMetrics)
            metric.update(one, damaged > 0.5, judged)

    def on_validation_epoch_end(self) -> None:
        """Log means over all held-out images, and how well residual and head find the damage in all of their cells."""
        for name, mean in (
            ("loss", self.val_loss),
            ("restoration_error", self.val_restoration_error),
            ("normal_error", self.val_normal_error),
        ):
            self.log(f"val/{name}", mean.compute())
            mean.reset()
        for kind, metric in self.val_found.items():
            assert isinstance(metric, StreamingPixelMetrics)
            found = metric.compute()
            for measure in MEASURES:
                if not measure.by_region:
                    self.log(f"val/{measure.key(kind)}", found[measure.name].float())
            metric.reset()

    def predict_step(self, batch: Images, batch_idx: int, dataloader_idx: int = 0) -> Prediction:
        """Return residuals and reconstructions of images without synthetic damage."""
        levels, reconstruction = self.network(batch.image, self.residual, roi=batch.roi)
        shown = self.network.space.picture(reconstruction, batch.image.shape[-2:]).clamp(0, 1)
        return Prediction(levels.cpu(), (shown * 255).round().byte().cpu(), batch.sample.cpu())

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return one optimiser and its schedule, which is a function of step / max_steps."""
        optimizer = self.optimizer([one for one in self.parameters() if one.requires_grad])
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self.scheduler(optimizer), "interval": "step"},
        }


class _Points:
    """The points of the training images, part by part in a seeded order, as training sees them undamaged."""

    def __init__(self, module: AnomalyAutoencoder, image: Tensor, roi: Tensor | None) -> None:
        self.module, self.image, self.roi = module, image, roi

    def __iter__(self) -> Iterator[Part]:
        order = torch.randperm(len(self.image), generator=torch.Generator().manual_seed(0))
        space, device = self.module.network.space, self.module.device
        for some in torch.split(order, _PART):
            with torch.no_grad(), self.module.trainer.precision_plugin.forward_context():
                point = space.undamaged(self.image[some].to(device).float() / 255)
            roi = None if self.roi is None else space.cells(self.roi[some].to(device))
            yield Part(point, roi)  # outside of the context, so that what is done with it has full precision
