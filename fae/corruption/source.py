import math
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from fae.corruption.draw import log_uniform, send, uniform
from fae.corruption.grid import sample
from fae.corruption.texture import texture
from fae.image import Array, all_images_in, read_image

_SIDE = 256  # px; every picture is scaled and cropped to this side


class OtherPictures:
    """Pictures of another data source: images of a folder, or procedural textures.

    A picture of a folder is shown at a random place, direction and scale; its reflections fill the rest of the image.

    Args:
        root: folder of images, such as DTD, which is searched with its sub-folders; None draws procedural textures.
        count: largest number of the folder's images that are kept in memory, >= 1. They are spread evenly over the
            folder, and each takes about 200 kB.

    Raises:
        ValueError: the folder is missing or empty, a file in it cannot be read, or `count` is below 1.
    """

    def __init__(self, root: str | None = None, count: int = 256) -> None:
        if count < 1:
            raise ValueError(f"count (={count}) must be at least 1")
        self.root, self.count = root, count
        self.pictures = torch.empty(0) if root is None else self._read(Path(root))

    def _read(self, root: Path) -> Tensor:
        """Read the pictures, `(N, 3, side, side)` uint8."""
        if not root.is_dir():
            raise ValueError(f"root (={root}) is no folder; name a folder of images, or null for textures")
        paths = all_images_in(root)
        if not paths:
            raise ValueError(f"root (={root}) holds no images; name another folder, or null for textures")
        kept = [paths[i] for i in np.linspace(0, len(paths) - 1, min(self.count, len(paths))).round().astype(int)]
        try:
            pictures = np.stack([_square(path) for path in kept])
        except ValueError as error:
            raise ValueError(f"root (={root}): {error}") from error
        return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()

    def __call__(self, batch: int, height: int, width: int, generator: Generator, device: torch.device) -> Tensor:
        """See `fae.corruption.part.Source`."""
        if self.root is None:
            return texture(batch, height, width, generator, device)
        chosen = torch.randint(len(self.pictures), (batch,), generator=generator)
        angle = uniform((0, 2 * math.pi), (batch,), generator)
        scale = log_uniform((0.5, 2.0), (batch,), generator)  # pixels of the picture per pixel of the crop
        cos, sin = scale * angle.cos(), scale * angle.sin()
        shift = uniform((-1, 1), (2, batch), generator)
        # Both the crop's units and the picture's call half a side 1; the grid maps the crop's units to the picture's.
        x, y = width / _SIDE, height / _SIDE
        rows = [torch.stack([cos * x, -sin * y, shift[0]], 1), torch.stack([sin * x, cos * y, shift[1]], 1)]
        grid = F.affine_grid(
            torch.stack(rows, 1).to(device, non_blocking=True), [batch, 1, height, width], align_corners=False
        )
        return sample(send(self.pictures[chosen], device).float() / 255, grid).clamp(0, 1)


def _square(path: Path) -> Array:
    """Read an image, scale its shorter side to `side`, and return its middle, `(side, side, 3)`."""
    image = read_image(path)
    scale = _SIDE / min(image.shape[:2])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    size = (max(_SIDE, round(image.shape[1] * scale)), max(_SIDE, round(image.shape[0] * scale)))
    image = np.asarray(cv2.resize(image, size, interpolation=method), dtype=np.uint8)
    top, left = (image.shape[0] - _SIDE) // 2, (image.shape[1] - _SIDE) // 2
    return image[top : top + _SIDE, left : left + _SIDE]
