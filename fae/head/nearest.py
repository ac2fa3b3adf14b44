from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from fae.head.coreset import farthest
from fae.head.head import Head, Part
from fae.types import Batch

_TOGETHER = 1024
"""Remembered cells that are compared at once."""
_MOST = 2**16
"""Cells of each part among which is chosen, at random: each choice looks at them all."""
_SPARE = 2
"""Cells that are chosen of each part of the images, for each that stays in the end."""


class NearestHead(Head):
    """Remembers normal cells, and tells how far a cell is from the nearest of them; nothing is trained.

    It is a memory of bounded size (PatchCore, Roth et al. 2022): its time and its room do not grow with the number of
    training images. A cell counts with those channels of its point X̂ that are as coarse as a cell, because finer detail
    varies too much to be remembered. F plays no part, so that the head also finds what F returns as it is.

    Args:
        name: name of the head in reports.
        most: number of cells that are remembered, >= 1.
        seed: seed of the choice.

    Raises:
        ValueError: `most` is outside its domain.
    """

    names = ("nearest",)
    bank: Tensor

    def __init__(self, name: str = "nearest", most: int = 8192, seed: int = 0) -> None:
        super().__init__()
        if most < 1:
            raise ValueError(f"head.most (={most}) must be at least 1; 8192 is a good default")
        self.name, self.most, self.seed = name, most, seed
        self.register_buffer("bank", torch.zeros(most, 0))  # `(most, channels that count)`
        # Whether cells are known is remembered here, because reading it of a GPU would make every step wait.
        self.known = False
        self.register_load_state_dict_pre_hook(NearestHead._make_room)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_post_hook(lambda module, _: module._remember())  # type: ignore[no-untyped-call]

    def _make_room(self, state: dict[str, Tensor], prefix: str, *others: object) -> None:
        """Give the memory the number of channels that a checkpoint has, which only the space knows."""
        bank = state.get(f"{prefix}bank")
        if bank is not None:
            self.bank = self.bank.new_zeros(self.most, bank.shape[1])

    def _remember(self) -> None:
        self.known = self.bank.shape[1] > 0

    @torch.no_grad()
    def remember(self, points: Iterable[Part], images: int, fine: int) -> None:
        """See `Head.remember`: choose cells that lie far from each other, first in each part, then among the chosen."""
        if self.known:
            return
        random = torch.Generator().manual_seed(self.seed)
        chosen = []
        for part in points:
            cells = _cells(part.point[:, fine:])
            cells = (cells if part.roi is None else cells[part.roi.flatten()]).cpu()
            cells = cells[torch.randperm(len(cells), generator=random)[:_MOST]]
            count = -(-_SPARE * self.most * len(part.point) // images)
            chosen.append(cells[farthest(cells, count, random)])
        cells = torch.cat(chosen)
        cells = cells[farthest(cells, self.most, random)]
        # Fewer cells than there is room for are repeated, so that the memory of every run has one shape.
        self.bank = cells.repeat(-(-self.most // len(cells)), 1)[: self.most].to(self.bank.device)
        self._remember()

    def forget(self) -> None:
        """See `Head.forget`."""
        self.bank = self.bank.new_zeros(self.most, 0)
        self._remember()

    def losses(self, point: Tensor, reconstruction: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return nothing to minimise."""
        return {}

    @torch.no_grad()
    def evidence(self, point: Tensor, reconstruction: Tensor) -> Tensor:
        """Return the squared distance of each cell to the nearest remembered one, `(B, 1, h, w)` float32.

        Raises:
            RuntimeError: `remember` has not run, and no checkpoint was loaded.
        """
        if not self.known:
            raise RuntimeError("the head nearest remembers nothing; call remember(points of training images) first")
        with torch.autocast(point.device.type, enabled=False):  # in bf16 the distance of near cells would be lost
            cells = point[:, -self.bank.shape[1] :].float().permute(0, 2, 3, 1)
            nearest = [
                F.linear(cells, -2 * part, part.square().sum(dim=1)).amin(dim=-1)
                for part in torch.split(self.bank, _TOGETHER)
            ]
            distance = torch.stack(nearest).amin(dim=0) + cells.square().sum(dim=-1)
        return distance.clamp_min(0).unsqueeze(1)


def _cells(point: Tensor) -> Tensor:
    return point.float().permute(0, 2, 3, 1).flatten(0, 2)
