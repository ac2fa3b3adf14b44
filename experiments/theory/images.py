"""Normal training images of folders in the MVTec AD layout, at one size."""

from pathlib import Path

import torch
from torch import Tensor

from fae.data.fit import fit
from fae.data.index import layout
from fae.image import read_image


def normal_images(root: Path, side: int | None = None) -> Tensor:
    """All of train/good, `(N, 3, H, W)` uint8; side in pixels, None keeps the images' own."""
    pictures = [read_image(sample.path) for sample in layout(root, root.name).train]
    if side is not None:
        pictures = [fit(picture, (side, side), "stretch")[0] for picture in pictures]
    if len(sizes := {picture.shape[:2] for picture in pictures}) > 1:
        raise ValueError(f"the images of {root} have {len(sizes)} sizes; bring them to one with --side")
    return torch.stack([torch.tensor(picture).permute(2, 0, 1) for picture in pictures])
