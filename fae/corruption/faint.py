from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from fae.corruption.draw import check_fraction
from fae.types import Corruption


class Faint:
    """Another damage, blended with the image by a random opacity; some images stay undamaged.

    Defects are often faint, and a head that always sees damage learns to expect it. The mask M of an image with damage
    stays that of the full damage, so that all of it is repaired.

    Args:
        damage: the damage at full opacity.
        opacity: `[low, high]` range of the opacity of each image, in (0, 1].
        undamaged: share of the images without damage, in [0, 1).
        name: name of the corruption in titles and results.

    Raises:
        ValueError: an argument is outside its domain.
    """

    def __init__(
        self, damage: Corruption, opacity: Sequence[float] = (0.2, 1.0), undamaged: float = 0.2, name: str = "faint"
    ) -> None:
        self.name, self.damage = name, damage
        if len(opacity) != 2 or not 0 < opacity[0] <= opacity[1] <= 1:
            raise ValueError(f"opacity (={list(opacity)}) must be [low, high] with 0 < low <= high <= 1; use [0.2, 1]")
        if check_fraction("undamaged", undamaged) == 1:
            raise ValueError("undamaged (=1) must be below 1, or nothing is damaged; use 0.2")
        self.opacity, self.undamaged = opacity, undamaged

    def __call__(self, image: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """See `fae.types.Corruption`."""
        corrupted, mask = self.damage(image, generator)
        low, high = self.opacity
        opacity, coin = torch.rand((2, len(image), 1, 1, 1), generator=generator).to(image.device, non_blocking=True)
        damaged = (coin >= self.undamaged).to(image.dtype)
        opacity = damaged * (low + (high - low) * opacity)
        return image.lerp(corrupted, opacity).clamp(0, 1), mask * damaged
