import torch
from torch import Generator, Tensor

from fae.corruption.draw import Range, check_range, log_uniform
from fae.corruption.grid import sample
from fae.corruption.noise import smooth_noise

_LATTICE = 24  # side of the noise in cells; beyond it, the noise is reflected
_REACH = 1.6  # distance of the furthest island, in radii


class Blob:
    """Thresholded smooth noise: ragged blots, with bays and islands.

    Args:
        detail: smallest and largest size of the noise's details, in radii, >= 0.05.
        raggedness: distance by which the noise moves the outline, in radii, >= 0; 0 gives an ellipse.

    Raises:
        ValueError: an argument is outside its domain.
    """

    def __init__(self, detail: Range = (0.2, 0.8), raggedness: float = 0.5) -> None:
        self.detail = check_range("detail", detail, 0.05)
        if raggedness < 0:
            raise ValueError(f"raggedness (={raggedness}) must not be negative")
        self.raggedness = raggedness

    def __call__(self, u: Tensor, v: Tensor, aspect: Tensor, generator: Generator) -> Tensor:
        """See `fae.corruption.part.Outline`."""
        batch, count, height, width = u.shape
        noise = smooth_noise(batch * count, 1, _LATTICE, generator, u.device)
        cell = (log_uniform(self.detail, aspect.shape, generator) * _LATTICE / 4).to(u.device, non_blocking=True)
        where = torch.stack([u / cell, v / cell], dim=-1).view(batch * count, height, width, 2)
        field = sample(noise, where).view_as(u)
        radius = (u.square() + v.square()).sqrt()
        return torch.maximum(torch.relu(radius - self.raggedness * field), radius / _REACH)
