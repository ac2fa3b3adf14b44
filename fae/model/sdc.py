from typing import Literal

import torch
from torch import Tensor, nn

PaddingMode = Literal["zeros", "replicate"]
DILATIONS = (1, 2, 4, 8, 16, 32)


class StackedDilatedConv(nn.Module):
    """One SDC stage at constant resolution: parallel dilated convolutions, then a 3×3 convolution.

    Bauer et al. 2022, section 3.3 and Table 1. In the paper the branches are "stacked together". Here they are
    concatenated, and batch norm and ReLU follow, because both follow every other convolution of Table 1.

    Args:
        in_channels: number of channels of the input.
        branch_channels: number of channels of each of the six branches; the output has six times as many.
        kernel_size: width f of the dilated kernels, an odd number.
        padding_mode: values that convolutions see beyond the border, "zeros" or "replicate".
    """

    def __init__(self, in_channels: int, branch_channels: int, kernel_size: int, padding_mode: PaddingMode) -> None:
        super().__init__()
        out_channels = branch_channels * len(DILATIONS)
        self.branches = nn.ModuleList(
            nn.Conv2d(
                in_channels,
                branch_channels,
                kernel_size,
                padding=dilation * (kernel_size // 2),
                dilation=dilation,
                bias=False,
                padding_mode=padding_mode,
            )
            for dilation in DILATIONS
        )
        self.merge = nn.Sequential(
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False, padding_mode=padding_mode),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map features `(B, in_channels, h, w)` to features `(B, 6 * branch_channels, h, w)`."""
        merged: Tensor = self.merge(torch.cat([branch(features) for branch in self.branches], dim=1))
        return merged
