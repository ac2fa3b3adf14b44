from collections.abc import Mapping

import torch
from torch import Generator, Tensor

from fae.corruption.members import check_members
from fae.types import Corruption


class Alternate:
    """Every image gets one of several kinds of damage, drawn with given probabilities.

    Bauer et al. 2022, section 4.3, alternates elastic deformation with occlusion.

    Args:
        members: kinds of damage by name.
        probability: probability in [0, 1] of drawing each kind, by the names of `members`; the probabilities sum to 1.
        name: name of the corruption in titles and results.

    Raises:
        ValueError: there is no member, `probability` has other names than `members`, a probability lies outside
            [0, 1], or their sum is not 1.
    """

    def __init__(
        self,
        members: Mapping[str, Corruption] | None = None,
        probability: Mapping[str, float] | None = None,
        name: str = "alternate",
    ) -> None:
        self.name = name
        self.members, shares = check_members(members, probability)
        total = sum(shares.values())
        if abs(total - 1) > 1e-6:
            raise ValueError(
                f"probability (={shares}) must sum to 1, not {total:g}; {'lower' if total > 1 else 'raise'} some of "
                f"the probabilities by {abs(total - 1):g} in all"
            )
        self.probability = torch.tensor([shares[name] for name in self.members])

    def __call__(self, image: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """See `fae.types.Corruption`."""
        drawn = torch.multinomial(self.probability, len(image), replacement=True, generator=generator)
        corrupted = torch.empty_like(image)
        mask = image.new_empty((len(image), 1, *image.shape[-2:]))
        for i, member in enumerate(self.members.values()):
            chosen = (drawn == i).nonzero()[:, 0].to(image.device, non_blocking=True)
            if len(chosen):
                corrupted[chosen], mask[chosen] = member(image[chosen], generator)
        return corrupted, mask
