import math

import torch
from torch import Generator, Tensor

from fae.corruption.draw import uniform

_REACH = 1.4  # distance at which sharp corners are cut, in radii


class Polygon:
    """A random convex polygon whose sharpest corners are cut.

    Args:
        corners: smallest and largest number of sides, >= 3.

    Raises:
        ValueError: `corners` is not an increasing pair of numbers >= 3.
    """

    def __init__(self, corners: tuple[int, int] = (3, 7)) -> None:
        if len(corners) != 2 or not 3 <= corners[0] <= corners[1]:
            raise ValueError(f"corners (={list(corners)}) must be [fewest, most], both at least 3")
        self.corners = (int(corners[0]), int(corners[1]))

    def __call__(self, u: Tensor, v: Tensor, aspect: Tensor, generator: Generator) -> Tensor:
        """See `fae.corruption.part.Outline`."""
        most = self.corners[1]
        count = torch.randint(self.corners[0], most + 1, aspect.shape, generator=generator)
        side = torch.arange(most).view(-1, 1, 1, 1, 1) + uniform((-0.12, 0.12), (most, *aspect.shape), generator)
        angle = side * 2 * math.pi / count
        # A surplus side is moved to infinity, where it cuts nothing off.
        near = torch.where(side.round() < count, 1 / uniform((0.65, 1.0), side.shape, generator), 0.0)
        distance = (u.square() + v.square()).sqrt() / _REACH
        for across, along in torch.stack([angle.cos() * near, angle.sin() * near], dim=1).to(
            u.device, non_blocking=True
        ):
            distance = torch.maximum(distance, across * u + along * v)
        return distance
