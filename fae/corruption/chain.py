from collections.abc import Mapping

import torch
from torch import Generator, Tensor

from fae.corruption.members import check_members
from fae.types import Corruption


class Chain:
    """Several kinds of damage, applied one after the other, each with its own probability per image.

    The mask M of the whole chain is 1 − Π(1 − Mᵢ): a pixel is untouched if no kind has touched it.

    Args:
        members: kinds of damage by name, in the order of their application.
        probability: probability in [0, 1] of applying each kind to an image, by the names of `members`.
        name: name of the corruption in titles and results.

    Raises:
        ValueError: there is no member, `probability` has other names than `members`, a probability lies outside
            [0, 1], or all of them are 0.
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
