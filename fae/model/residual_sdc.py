import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fae.model.sdc import DILATIONS


class ResidualSDC(nn.Module):
    """Stacked dilated convolutions in residual blocks: F is the identity before training, and learns to repair.

    The paper's stages (Bauer et al. 2022, section 3.3) without encoder and decoder, for a space whose points are
    features already. Two linear maps between channels, before the blocks and after them, let F drop directions in which
    normal points never vary, as a projection does. Nothing bounds the output, because features have no range.

    Args:
        channels: number of channels C of the space.
        inner: number of channels that each block's dilated branches see, >= 1.
        width: number of channels of each dilated branch, >= 1.
        blocks: number of residual blocks, >= 1.
        branches: number of dilations 1, 2, 4, …, from 1 to 6.

    Raises:
        ValueError: an argument is outside its domain.

    Examples:
        >>> point = torch.rand(1, 5, 8, 8)
        >>> bool((ResidualSDC(channels=5, width=4).eval()(point) == point).all())
        True
    """

    def __init__(self, channels: int, inner: int = 64, width: int = 32, blocks: int = 4, branches: int = 4) -> None:
        super().__init__()
        for name, value in (("inner", inner), ("width", width), ("blocks", blocks)):
            if value < 1:
                raise ValueError(f"model.{name} (={value}) must be at least 1")
        if not 1 <= branches <= len(DILATIONS):
            raise ValueError(f"model.branches (={branches}) must lie in 1 to {len(DILATIONS)}; 4 is a good default")
        self.enter, self.leave = _nothing(channels), _nothing(channels)
        self.blocks = nn.Sequential(*(_Block(channels, inner, width, branches) for _ in range(blocks)))

    def forward(self, point: Tensor) -> Tensor:
        """Reconstruct points `(B, C, h, w)` of any size; the result has the same shape and is float32."""
        # Only what is added comes of bf16, in which small changes of the point itself would drown.
        repaired: Tensor = self.blocks(point.float() + self.enter(point))
        reconstruction: Tensor = repaired + self.leave(repaired)
        return reconstruction


def _nothing(channels: int) -> nn.Conv2d:
    linear = nn.Conv2d(channels, channels, 1, bias=False)
    nn.init.zeros_(linear.weight)
    return linear


class _Block(nn.Module):
    def __init__(self, channels: int, inner: int, width: int, branches: int) -> None:
        super().__init__()
        self.before = nn.BatchNorm2d(channels)
        self.reduce = nn.Sequential(
            nn.Conv2d(channels, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU(inplace=True)
        )
        self.branches = nn.ModuleList(
            nn.Conv2d(inner, width, 3, padding=dilation, dilation=dilation, bias=False)
            for dilation in DILATIONS[:branches]
        )
        self.between = nn.BatchNorm2d(branches * width)
        self.after = nn.Conv2d(branches * width, channels, 1)
        nn.init.zeros_(self.after.weight)
        assert self.after.bias is not None
        nn.init.zeros_(self.after.bias)

    def forward(self, point: Tensor) -> Tensor:
        features: Tensor = self.reduce(self.before(point))
        merged = torch.cat([branch(features) for branch in self.branches], dim=1)
        change: Tensor = self.after(F.relu(self.between(merged)))
        return point + change
