from torch import Tensor, nn

from fae.objective.term import check_lam, weighted_error
from fae.types import Losses

WEIGHTS = ("difference", "mask")


class Amplify(nn.Module):
    """Keep the normal region, exaggerate the damage: Bauer et al. 2022, eq. 4 in its final form.

    Args:
        lam: λ in [0, 1], the weight of the corrupted region.
        weight: weight of the subtracted term: "difference" for |X̂ − X|, the paper's choice, or "mask" for M. The paper
            explains that M is worse: it also rewards errors where nothing was changed.

    Raises:
        ValueError: `lam` lies outside [0, 1], or `weight` is unknown.

    Examples:
        >>> import torch
        >>> clean, mask = torch.full((1, 3, 1, 2), 0.5), torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)
        >>> corrupted = torch.where(mask > 0, 0.7, clean)
        >>> exaggerated = torch.where(mask > 0, 1.0, clean)
        >>> losses = [Amplify()(output, clean, corrupted, mask).total for output in (corrupted, exaggerated)]
        >>> bool(losses[1] < losses[0])
        True
    """

    def __init__(self, lam: float = 0.5, weight: str = "difference") -> None:
        super().__init__()
        self.lam = check_lam(lam)
        if weight not in WEIGHTS:
            raise ValueError(f"weight (={weight!r}) must be one of {WEIGHTS}")
        self.weight = weight

    def forward(
        self,
        reconstruction: Tensor,
        clean: Tensor,
        corrupted: Tensor,
        corruption_mask: Tensor,
        roi: Tensor | None = None,
    ) -> Losses:
        """See `fae.types.Objective`: images are `(B, 3, H, W)` in [0, 1], and the mask is `(B, 1, H, W)` in [0, 1]."""
        weight = (corrupted - clean).abs() if self.weight == "difference" else corruption_mask
        normal = (1 - self.lam) * weighted_error(1 - corruption_mask, reconstruction, clean, roi)
        amplified = self.lam * weighted_error(weight, reconstruction, clean, roi)
        return Losses(total=normal - amplified, normal=normal, corrupted=amplified)
