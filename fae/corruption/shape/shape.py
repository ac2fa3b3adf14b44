import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from fae.corruption.draw import Range, check_range, log_uniform, uniform
from fae.corruption.part import Outline


class Shape:
    """Random soft masks: the shape mask of Bauer et al. 2022, fig. 5.

    The outlines have random sizes, places, directions and aspect ratios. The paper has one patch per image, and leaves
    its size and outline open. Here an image gets one to `count` shapes of log-uniform size, because real defects come
    in every size.

    Args:
        outline: outline of the shapes.
        size: smallest and largest diameter, as a fraction of the crop's shorter side, in [0.001, 1]. The diameter is
            the geometric mean of length and breadth.
        aspect: smallest and largest ratio of length to breadth, >= 1.
        softness: smallest and largest width of the soft edge, as a fraction of the radius, in [0.001, 1].
        count: largest number of shapes per image, >= 1.
        raster_px: shorter side of the raster on which masks are drawn, in pixels, >= 8. Masks of larger crops are
            scaled up, which is cheaper and enough for large soft shapes. No shape is narrower than a pixel and a half
            of this raster.

    Raises:
        ValueError: an argument is outside its domain.
    """

    def __init__(
        self,
        outline: Outline,
        size: Range = (0.03, 0.4),
        aspect: Range = (1.0, 5.0),
        softness: Range = (0.1, 0.7),
        count: int = 3,
        raster_px: int = 128,
    ) -> None:
        self.outline = outline
        self.size = check_range("size", size, 1e-3, 1.0)
        self.aspect = check_range("aspect", aspect, 1.0)
        self.softness = check_range("softness", softness, 1e-3, 1.0)
        if count < 1:
            raise ValueError(f"count (={count}) must be at least 1")
        if raster_px < 8:
            raise ValueError(f"raster_px (={raster_px}) must be at least 8; 128 is enough for soft shapes")
        self.count, self.raster_px = count, raster_px

    def __call__(self, batch: int, height: int, width: int, generator: Generator, device: torch.device) -> Tensor:
        """Draw masks; the parameters are drawn on the CPU, and the pixels on the device.

        Returns:
            the masks, `(batch, 1, height, width)` float32 in [0, 1], exactly 0 outside the shapes and 1 in their core.
        """
        scale = max(1.0, min(height, width) / self.raster_px)
        rows, columns = math.ceil(height / scale), math.ceil(width / scale)
        drawn = (batch, self.count, 1, 1)
        diameter = log_uniform(self.size, drawn, generator) * min(rows, columns)
        aspect = log_uniform(self.aspect, drawn, generator)
        angle = uniform((0, math.pi), drawn, generator)
        row = uniform((0, rows), drawn, generator)
        column = uniform((0, columns), drawn, generator)
        softness = uniform(self.softness, drawn, generator)
        count = 1 + torch.randint(self.count, (batch, 1, 1, 1), generator=generator)
        present = torch.arange(self.count).view(1, -1, 1, 1) < count
        # Narrower shapes would fall between the pixels' centres.
        half_length = (diameter / 2 * aspect.sqrt()).clamp_min(0.75)
        half_breadth = (diameter / 2 / aspect.sqrt()).clamp_min(0.75)
        # Two affine forms map pixels to the axes of the shape.
        cos, sin = angle.cos(), angle.sin()
        forms = torch.stack([cos / half_length, sin / half_length, -sin / half_breadth, cos / half_breadth])
        forms, row, column, softness, present, aspect = (
            t.to(device, non_blocking=True) for t in (forms, row, column, softness, present, half_length / half_breadth)
        )
        y = torch.arange(rows, device=device).view(-1, 1) + 0.5 - row
        x = torch.arange(columns, device=device) + 0.5 - column
        distance = self.outline(x * forms[0] + y * forms[1], x * forms[2] + y * forms[3], aspect, generator)
        # The mask is 1 in the core, 0 from the outline on, and a smoothstep in between.
        ramp = ((1 - distance) / softness).clamp(0, 1)
        mask = (ramp.square() * (3 - 2 * ramp) * present).amax(dim=1, keepdim=True)
        return F.interpolate(mask, (height, width), mode="bilinear", align_corners=False) if scale > 1 else mask
