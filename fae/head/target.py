"""What a head learns: the cells in which damage shows, and the cells that are intact."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from fae.types import Batch


class Target(NamedTuple):
    """Cells by what happened to them; the cells that are neither damaged nor intact count for nothing."""

    damaged: Tensor
    """`(B, 1, h, w)` of 0 and 1."""
    intact: Tensor
    """`(B, 1, h, w)` of 0 and 1."""


def target(batch: Batch, size: tuple[int, int], change: float, covered: float, clear: float) -> Target:
    """Find the damaged and the intact cells, among those that hold a pixel of the region of interest.

    Args:
        batch: `(B, 3, H, W)` images with their damage; damage outside the region of interest does not show.
        size: `(h, w)`, the number of cells.
        change: the least visible change |X̂ − X| of a pixel's strongest colour, in [0, 1].
        covered: share of a cell that visible damage must exceed for the cell to be damaged, in [0, 1).
        clear: value of M that no pixel of an intact cell reaches, in (0, 1].
    """
    visible = (batch.corrupted - batch.clean).abs().amax(dim=1, keepdim=True) > change
    seen = batch.corruption_mask * visible
    share = F.adaptive_avg_pool2d(seen if batch.roi is None else seen * batch.roi, size)
    most = F.adaptive_max_pool2d(batch.corruption_mask, size)
    damaged, intact = (share > covered).float(), (most < clear).float()
    if batch.roi is None:
        return Target(damaged, intact)
    inside = F.adaptive_max_pool2d(batch.roi.float(), size)
    return Target(damaged * inside, intact * inside)


def focal_loss(logit: Tensor, target: Target, gamma: float) -> Tensor:
    """Return the focal loss (Lin et al. 2017): means over the damaged and over the intact cells, added up.

    Cells that the head already tells well count less, by the factor (1 − p)^γ; and the few damaged cells of an image
    weigh as much as its many intact ones. As in eq. 1, every image counts alike.

    Args:
        logit: `(B, 1, h, w)` logarithms of the odds of damage.
        target: cells by what happened to them.
        gamma: exponent γ >= 0; 0 gives the cross-entropy.

    Returns:
        a scalar >= 0; a kind of cells that does not occur in an image counts as 0 there.
    """
    of_image = torch.zeros(len(logit), device=logit.device)
    for cells, right in ((target.damaged, logit), (target.intact, -logit)):
        hard = (-right).sigmoid() ** gamma * F.softplus(-right)
        of_image = of_image + (hard * cells).sum(dim=(1, 2, 3)) / cells.sum(dim=(1, 2, 3)).clamp_min(1)
    return of_image.mean()
