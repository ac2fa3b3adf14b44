from collections.abc import Mapping

import torch
from torch import Generator, Tensor

from fae.corruption.kind import Kind, Source
from fae.corruption.members import check_members


class Chain:
    """Several kinds of damage, one after the other, each on an image with a probability of its own.

    M of the whole is 1 − Π(1 − Mᵢ): untouched is what none has touched.

    Args:
        members: the kinds, by name, in the order of their application.
        probability: how often each is applied, in [0, 1], by the same names.

    Raises:
        ValueError: there is no member, the names differ, or the probabilities are not such.
    """

    def __init__(
        self, members: Mapping[str, Kind] | None = None, probability: Mapping[str, float] | None = None
    ) -> None:
        self.members, self.probability = check_members(members, probability)
        if not any(self.probability.values()):
            raise ValueError(f"probability (={self.probability}) must be above 0 for one member, or nothing is damaged")

    def __call__(self, image: Tensor, source: Source, generator: Generator) -> tuple[Tensor, Tensor]:
        """`(B, 3, H, W)` in [0, 1] to `(corrupted, corruption_mask)`."""
        corrupted = image.clone()
        untouched = image.new_ones((len(image), 1, *image.shape[-2:]))
        for name, member in self.members.items():
            drawn = torch.rand(len(image), generator=generator) < self.probability[name]
            chosen = drawn.nonzero()[:, 0].to(image.device, non_blocking=True)
            if len(chosen):
                corrupted[chosen], mask = member(corrupted[chosen], source, generator)
                untouched[chosen] *= 1 - mask
        return corrupted, 1 - untouched
