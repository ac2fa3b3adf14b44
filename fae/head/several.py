from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from fae.head.head import Head, Part
from fae.types import Batch


class Heads(Head):
    """Several heads beside each other, each with its own maps.

    Args:
        name: name of the heads in reports.
        members: heads by name.

    Raises:
        ValueError: two heads make maps of one name.
    """

    def __init__(self, name: str, members: Mapping[str, Head]) -> None:
        super().__init__()
        self.name = name
        self.members = nn.ModuleDict(members)
        self.names = tuple(one for head in members.values() for one in head.names)
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"head.members make maps of equal names ({', '.join(self.names)}); leave one out")

    def remember(self, points: Iterable[Part], images: int, fine: int) -> None:
        """See `Head.remember`."""
        for head in self._heads():
            head.remember(points, images, fine)

    def forget(self) -> None:
        """See `Head.forget`."""
        for head in self._heads():
            head.forget()

    def losses(self, point: Tensor, reconstruction: Tensor, batch: Batch) -> dict[str, Tensor]:
        """See `Head.losses`: those of all members."""
        found: dict[str, Tensor] = {}
        for head in self._heads():
            found |= head.losses(point, reconstruction, batch)
        return found

    def evidence(self, point: Tensor, reconstruction: Tensor) -> Tensor:
        """See `Head.evidence`."""
        return torch.cat([head.evidence(point, reconstruction) for head in self._heads()], dim=1)

    def _heads(self) -> list[Head]:
        return [head for head in self.members.values() if isinstance(head, Head)]
