from torch import Tensor, nn

from fae.model.sdc import DILATIONS, PaddingMode, StackedDilatedConv


class SDCBottleneck(nn.Module):
    """The four SDC stages of Bauer et al. 2022, Table 1, between two 1×1 convolutions in place of encoder and decoder.

    For a space whose points are features already. The stages have the channels of Table 1. Nothing bounds the output,
    because features have no range.

    Args:
        channels: number of channels C of the space.
        width: number of channels of each dilated branch, >= 1; a stage has six.
        kernel_size: width f of the dilated kernels, 3 or 5.
        padding_mode: values that convolutions see beyond the border, "zeros" or "replicate".

    Raises:
        ValueError: an argument is outside its domain.
    """

    def __init__(
        self, channels: int, width: int = 32, kernel_size: int = 3, padding_mode: PaddingMode = "zeros"
    ) -> None:
        super().__init__()
        if kernel_size not in (3, 5):
            raise ValueError(f"kernel_size (={kernel_size}) must be 3 or 5, as in Table 1")
        if width < 1:
            raise ValueError(f"model.width (={width}) must be at least 1")
        inner = len(DILATIONS) * width
        self.stages = nn.Sequential(
            *(nn.Conv2d(channels, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width), nn.ReLU(inplace=True)),
            *(StackedDilatedConv(c, width, kernel_size, padding_mode) for c in (4 * width, inner, inner, inner)),
            nn.Conv2d(inner, channels, 1),
        )

    def forward(self, point: Tensor) -> Tensor:
        """Reconstruct points `(B, C, h, w)` of any size; the result has the same shape and is float32."""
        reconstruction: Tensor = self.stages(point)
        return reconstruction.float()
