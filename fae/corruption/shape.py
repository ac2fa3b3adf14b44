import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from fae.corruption.draw import Range, check_range, log_uniform, uniform

_HARMONICS = 4  # 2θ to 5θ; θ itself only shifts the shape
_RASTER = 128  # px; soft outlines need no finer raster and are scaled up from it


class SoftShape:
    """Random smooth outlines with soft edges: the shape mask of Bauer et al. 2022, fig. 5.

    Each shape is a rotated ellipse whose radius is modulated by a few random harmonics. Paper: one patch an
    image, its size and outline open; here: one to `count` shapes of log-uniform size, because real defects
    come in every size.

    Args:
        size: smallest and largest geometric-mean diameter, as a fraction of the image's shorter side.
        aspect: smallest and largest ratio of length to breadth.
        softness: smallest and largest width of the soft edge, as a fraction of the radius, in (0, 1].
        irregularity: largest amplitude of the harmonics, in [0, 0.5]; 0 gives ellipses.
        count: the largest number of shapes an image.

    Raises:
        ValueError: an argument is outside its domain.
    """

    def __init__(
        self,
        size: Range = (0.03, 0.4),
        aspect: Range = (1.0, 5.0),
        softness: Range = (0.1, 0.7),
        irregularity: float = 0.3,
        count: int = 3,
    ) -> None:
        self.size = check_range("size", size, 1e-3, 2.0)
        self.aspect = check_range("aspect", aspect, 1.0)
        self.softness = check_range("softness", softness, 1e-3, 1.0)
        if not 0 <= irregularity <= 0.5:
            raise ValueError(f"irregularity (={irregularity}) must lie in [0, 0.5]")
        if count < 1:
            raise ValueError(f"count (={count}) must be at least 1")
        self.irregularity = irregularity
        self.count = count

    def __call__(self, batch: int, height: int, width: int, generator: Generator) -> Tensor:
        """Draw masks.

        Returns:
            `(batch, 1, height, width)` on the CPU, in [0, 1], exactly 0 outside the shapes and 1 in their core.
        """
        scale = max(1.0, min(height, width) / _RASTER)
        rows, columns = math.ceil(height / scale), math.ceil(width / scale)
        shapes = (batch, self.count)
        diameter = log_uniform(self.size, shapes, generator) * min(rows, columns)
        stretch = log_uniform(self.aspect, shapes, generator).sqrt()
        angle = uniform((0, math.pi), shapes, generator)
        row = uniform((0, rows), shapes, generator)
        column = uniform((0, columns), shapes, generator)
        softness = uniform(self.softness, shapes, generator)
        amplitude = uniform((-1, 1), (*shapes, _HARMONICS, 2), generator)
        amplitude *= self.irregularity / _HARMONICS
        present = torch.arange(self.count) < 1 + torch.randint(self.count, (batch, 1), generator=generator)

        def at_pixels(parameter: Tensor) -> Tensor:
            return parameter[..., None, None]

        y = torch.arange(rows).view(-1, 1) + 0.5 - at_pixels(row)
        x = torch.arange(columns) + 0.5 - at_pixels(column)
        cos, sin = at_pixels(angle.cos()), at_pixels(angle.sin())
        u = (x * cos + y * sin) / at_pixels(diameter / 2 * stretch)
        v = (y * cos - x * sin) / at_pixels(diameter / 2 / stretch)
        distance = (u.square() + v.square()).sqrt().clamp_min(1e-6)
        cos, sin = u / distance, v / distance  # of the direction; of its multiples below
        cos_multiple, sin_multiple = cos, sin
        outline = torch.ones_like(distance)
        for i in range(_HARMONICS):
            cos_multiple, sin_multiple = (
                cos_multiple * cos - sin_multiple * sin,
                sin_multiple * cos + cos_multiple * sin,
            )
            outline += at_pixels(amplitude[..., i, 0]) * cos_multiple
            outline += at_pixels(amplitude[..., i, 1]) * sin_multiple
        # 1 in the core, 0 from the outline on, a smoothstep in between.
        ramp = ((1 - distance / outline) / at_pixels(softness)).clamp(0, 1)
        mask = ramp.square() * (3 - 2 * ramp) * at_pixels(present)
        mask = mask.amax(dim=1, keepdim=True)
        if scale > 1:
            mask = F.interpolate(mask, (height, width), mode="bilinear", align_corners=False)
        return mask
