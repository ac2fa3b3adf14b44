from collections.abc import Mapping

import torch
from torch import Generator, Tensor

from fae.corruption.members import check_members
from fae.types import Corruption


class Chain:
    """Several kinds of damage, one after the other, each on an image with a probability of its own.

    M of the whole is 1 − Π(1 − Mᵢ): untouched is what none has touched.

    Args:
        members: the kinds, by name, in the order of their application.
        probability: how often each is applied, in [0, 1], by the same names.
        name: of the corruption in titles and results.

    Raises:
        ValueError: there is no member, the names differ, or the probabilities are not such.
    """

    def __init__(
        self,
        members: Mapping[str, Corruption] | None = None,
        probability: Mapping[str, float] | None = None,
        name: str = "chain",
    ) -> None:
        self.name = name
        self.members, self.probability = check_members(members, probability)
        if not any(self.probability.values()):
            raise ValueError(f"probability (={self.probability}) must be above 0 for one member, or nothing is damaged")

    def __call__(self, image: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """See `fae.types.Corruption`."""
        corrupted = image.clone()
        untouched = image.new_ones((len(image), 1, *image.shape[-2:]))
        for name, member in self.members.items():
            drawn = torch.rand(len(image), generator=generator) < self.probability[name]
            chosen = drawn.nonzero()[:, 0].to(image.device, non_blocking=True)
            if len(chosen):
                corrupted[chosen], mask = member(corrupted[chosen], generator)
                untouched[chosen] *= 1 - mask
        return corrupted, 1 - untouched
