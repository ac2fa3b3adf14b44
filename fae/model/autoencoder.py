from typing import get_args

import torch.nn.functional as F
from torch import Tensor, nn

from fae.model.image_convolution import ImageConv2d
from fae.model.sdc import DILATIONS, PaddingMode, StackedDilatedConv

STRIDE = 8
PADDING_MODES: tuple[PaddingMode, ...] = get_args(PaddingMode)


def _conv(
    in_channels: int, out_channels: int, padding_mode: PaddingMode, kind: type[nn.Conv2d] = nn.Conv2d
) -> nn.Sequential:
    return nn.Sequential(
        kind(in_channels, out_channels, 3, padding=1, bias=False, padding_mode=padding_mode),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def _up(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(in_channels, out_channels, 3, stride=2, padding=1, output_padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class SDCAutoencoder(nn.Module):
    """The autoencoder with stacked dilated convolutions, Bauer et al. 2022, Table 1.

    The network has no skip connections. Its last layer is a 1×1 convolution with sigmoid. This layer has no batch norm,
    because the paper saw a grid pattern with it.

    Args:
        kernel_size: width f of the dilated kernels, 3 or 5.
        width: number of channels of the first layer, >= 1, 64 in the paper; all channel counts scale with it.
        padding_mode: values that convolutions see beyond the border, "zeros" or "replicate". The paper leaves them
            open. Here they are zeros by default, because zeros are the fast path of every backend.

    Raises:
        ValueError: an argument is outside its domain.

    Examples:
        >>> import torch
        >>> network = SDCAutoencoder(kernel_size=3, width=4).eval()
        >>> network(torch.rand(1, 3, 50, 75)).shape
        torch.Size([1, 3, 50, 75])
    """

    def __init__(self, kernel_size: int = 3, width: int = 64, padding_mode: PaddingMode = "zeros") -> None:
        super().__init__()
        if kernel_size not in (3, 5):
            raise ValueError(f"kernel_size (={kernel_size}) must be 3 or 5, as in Table 1")
        if width < 1:
            raise ValueError(f"width (={width}) must be at least 1; the paper uses 64")
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"padding_mode (={padding_mode!r}) must be one of {PADDING_MODES}")
        w1, w2, w4, w6 = width, 2 * width, 4 * width, len(DILATIONS) * width
        self.encoder = nn.Sequential(
            *(_conv(3, w1, padding_mode, ImageConv2d), _conv(w1, w1, padding_mode), nn.MaxPool2d(2)),
            *(_conv(w1, w2, padding_mode), _conv(w2, w2, padding_mode), nn.MaxPool2d(2)),
            *(_conv(w2, w4, padding_mode), _conv(w4, w4, padding_mode), nn.MaxPool2d(2)),
        )
        self.bottleneck = nn.Sequential(
            *(StackedDilatedConv(c, width, kernel_size, padding_mode) for c in (w4, w6, w6, w6))
        )
        self.decoder = nn.Sequential(
            *(_up(w6, w4), _conv(w4, w4, padding_mode), _conv(w4, w4, padding_mode)),
            *(_up(w4, w2), _conv(w2, w2, padding_mode), _conv(w2, w2, padding_mode)),
            *(_up(w2, w1), _conv(w1, w1, padding_mode), _conv(w1, w1, padding_mode)),
            nn.Conv2d(w1, 3, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Reconstruct images of any size.

        An image whose sides are not multiples of 8 is padded by repeating its border, and the output is cropped back.

        Args:
            image: `(B, 3, H, W)` images in [0, 1].

        Returns:
            the reconstruction, `(B, 3, H, W)` float32 in [0, 1].
        """
        height, width = image.shape[-2:]
        padding = (0, -width % STRIDE, 0, -height % STRIDE)
        padded = F.pad(image, padding, mode="replicate") if any(padding) else image
        logits: Tensor = self.decoder(self.bottleneck(self.encoder(padded)))
        return logits[..., :height, :width].float().sigmoid()
