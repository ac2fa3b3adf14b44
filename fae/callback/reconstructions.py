from typing import Any

import cv2
import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from fae.module import FilteringAutoencoder
from fae.picture.heatmap import Picture, colour_limit, colours
from fae.tracking.logger import ResumableWandbLogger
from fae.types import Batch

KEY = "val/reconstructions"

_SIDE = 192  # px, the longer one of an image
_NARROWEST = 120  # px, room for a column's heading
_LINE = 20  # px
_GAP = 4  # px


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
        assert isinstance(pl_module, FilteringAutoencoder)
        assert not pl_module.training
        shown = Batch(*(part[: self.images] for part in batch))
        with torch.no_grad(), trainer.precision_plugin.forward_context():
            reconstruction = pl_module(shown.corrupted)
        residual = pl_module.residual(shown.corrupted, reconstruction.float())
        perfect = pl_module.residual(shown.corrupted, shown.clean)
        logger.log_picture(KEY, draw(shown, reconstruction, residual, colour_limit(perfect.cpu()), step), step - 1)


def draw(batch: Batch, reconstruction: Tensor, residual: Tensor, limit: float, step: int) -> Picture:
    """A row for each image: clean, corrupted, mask, reconstruction and residual.

    Args:
        batch: `(B, 3, H, W)` images in [0, 1] and their mask.
        reconstruction: `(B, 3, H, W)`.
        residual: `(B, 1, H, W)`, >= 0.
        limit: value of the residual's brightest colour.
        step: optimiser steps so far.

    Returns:
        `(h, w, 3)` uint8, RGB.
    """
    columns = {
        "clean": _bytes(batch.clean),
        "corrupted": _bytes(batch.corrupted),
        "corruption mask": _bytes(batch.corruption_mask.expand_as(batch.clean)),
        "reconstruction": _bytes(reconstruction),
        "residual": np.stack([_heat(one, limit) for one in residual.float().cpu()]),
    }
    height, width = batch.clean.shape[-2:]
    scale = _SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    cell = max(size[0], _NARROWEST) + _GAP
    page = Image.new("RGB", (len(columns) * cell + _GAP, 2 * _LINE + len(batch.clean) * (size[1] + _GAP)), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(size=12)
    colour = f"residual from 0 (black) to {limit:.2g} (yellow), as of perfect repair"
    pen.text((_GAP, 3), f"held-out images after step {step}; {colour}", fill="black", font=font)
    for j, (name, pictures) in enumerate(columns.items()):
        left = _GAP + j * cell
        pen.text((left, _LINE + 3), name, fill="black", font=font)
        for i, picture in enumerate(pictures):
            method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
            shown = np.asarray(cv2.resize(picture, size, interpolation=method), dtype=np.uint8)
            page.paste(Image.fromarray(shown), (left, 2 * _LINE + i * (size[1] + _GAP)))
    return np.asarray(page)


def _bytes(image: Tensor) -> Picture:
    pixels = image.float().nan_to_num().clamp(0, 1).mul(255).round().byte()
    return np.ascontiguousarray(pixels.permute(0, 2, 3, 1).cpu().numpy())


def _heat(residual: Tensor, limit: float) -> Picture:
    values = residual[0].nan_to_num(nan=torch.inf).numpy()
    return colours(np.zeros((*values.shape, 3), np.uint8), values, limit)[0]
