"""The reconstructions of damaged held-out images during training, on a page that Pillow lays out."""

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from fae.picture.panel import Picture, heat, picture, scaled
from fae.types import Batch

_SIDE = 192  # px, longer side of an image
_NARROWEST = 120  # px, narrowest column; its heading needs the room
_LINE = 20  # px
_GAP = 4  # px


def draw(batch: Batch, reconstruction: Tensor, residual: Tensor, limit: float, step: int) -> Picture:
    """Draw one row for each image: clean, corrupted, mask, reconstruction and residual.

    Args:
        batch: `(B, 3, H, W)` clean and corrupted images in [0, 1], with their masks.
        reconstruction: `(B, 3, H, W)` reconstructions.
        residual: `(B, 1, H, W)` residuals, >= 0.
        limit: residual value that gets the brightest colour, > 0.
        step: number of optimiser steps so far.

    Returns:
        `(h, w, 3)` uint8 picture, RGB.
    """
    columns = {
        "clean": list(map(picture, batch.clean)),
        "corrupted": list(map(picture, batch.corrupted)),
        "corruption mask": list(map(picture, batch.corruption_mask.expand_as(batch.clean))),
        "reconstruction": list(map(picture, reconstruction)),
        "residual": [heat(one[0].nan_to_num(nan=torch.inf).numpy(), limit) for one in residual.float().cpu()],
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
        for i, one in enumerate(pictures):
            page.paste(Image.fromarray(scaled(one, size)), (left, 2 * _LINE + i * (size[1] + _GAP)))
    return np.asarray(page)
