import torch
from torch import Generator, Tensor

from fae.corruption.draw import Range, check_range, is_number, send, uniform
from fae.types import Corruption


class Faint:
    """Another damage, blended with the image by a random opacity; some images stay undamaged.

    Defects are often faint, and a head that always sees damage learns to expect it. The mask M of an image with damage
    stays that of the full damage, so that all of it is repaired.

    Args:
        damage: the damage at full opacity.
        opacity: `[smallest, largest]` opacity of an image, in (0, 1].
        undamaged: share of the images without damage, in [0, 1).
        name: name of the corruption in titles and results.

    Raises:
        ValueError: an argument is outside its domain.
    """

    def __init__(
        self, damage: Corruption, opacity: Range = (0.2, 1.0), undamaged: float = 0.2, name: str = "faint"
    ) -> None:
        self.name, self.damage = name, damage
        self.opacity = check_range("opacity", opacity, 0, 1)
        if not self.opacity[0]:
            raise ValueError(f"opacity (={list(opacity)}) must be above 0, or nothing is damaged; use [0.2, 1]")
        if not is_number(undamaged) or not 0 <= undamaged < 1:
            raise ValueError(f"undamaged (={undamaged}) must lie in [0, 1), or nothing is damaged; use 0.2")
        self.undamaged = undamaged

    def __call__(self, image: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """See `fae.types.Corruption`."""
        corrupted, mask = self.damage(image, generator)
        opacity = uniform(self.opacity, (len(image), 1, 1, 1), generator)
        damaged = (torch.rand(len(image), 1, 1, 1, generator=generator) >= self.undamaged).float()
        opacity, damaged = send(torch.stack([opacity * damaged, damaged]), image.device)
        return image.lerp(corrupted, opacity).clamp(0, 1), mask * damaged
