from torch import Tensor, nn

from fae.objective.term import check_lam, weighted_error
from fae.types import Losses


class Filter(nn.Module):
    """Repair the damage, keep the rest: Bauer et al. 2022, eq. 1.

    Args:
        lam: λ in [0, 1], the weight of the corrupted region.

    Raises:
        ValueError: `lam` lies outside [0, 1].

    Examples:
        >>> import torch
        >>> clean, mask = torch.full((1, 3, 1, 2), 0.5), torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)
        >>> corrupted = torch.where(mask > 0, 1.0, clean)
        >>> Filter(lam=0.5)(corrupted, clean, corrupted, mask)  # the damage is returned as it is
        Losses(total=tensor(0.1250), normal=tensor(0.), corrupted=tensor(0.1250))
    """

    def __init__(self, lam: float = 0.5) -> None:
        super().__init__()
        self.lam = check_lam(lam)

    def forward(
        self,
        reconstruction: Tensor,
        clean: Tensor,
        corrupted: Tensor,
        corruption_mask: Tensor,
        roi: Tensor | None = None,
    ) -> Losses:
        """See `fae.types.Objective`: images are `(B, 3, H, W)`, the mask is `(B, 1, H, W)`; `corrupted` is unused."""
        normal = (1 - self.lam) * weighted_error(1 - corruption_mask, reconstruction, clean, roi)
        repaired = self.lam * weighted_error(corruption_mask, reconstruction, clean, roi)
        return Losses(total=normal + repaired, normal=normal, corrupted=repaired)
