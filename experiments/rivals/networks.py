"""What the rivals that are trained here consist of."""

import torch
from torch import Tensor, nn

from fae.model.autoencoder import SDCAutoencoder


class BottleneckAutoencoder(nn.Module):
    """Bergmann et al., VISAPP 2019, Table 1: strided convolutions to a code of 100 numbers, and back, mirrored.

    For 128×128 images; larger ones get another strided layer at either end for each doubling. Here: batch norm, as
    the budgets are short; a sigmoid at the end, as everywhere here.
    """

    def __init__(self, side: int, code: int = 100) -> None:
        super().__init__()
        if side < 128 or side & (side - 1):
            raise ValueError(f"side (={side}) must be a power of 2 and at least 128; set data.image_size")
        layers = [(32, 4, 2)] * (1 + (side // 128).bit_length() - 1)
        layers += [(32, 4, 2), (32, 3, 1), (64, 4, 2), (64, 3, 1), (128, 4, 2), (64, 3, 1), (32, 3, 1)]
        down: list[nn.Module] = []
        up: list[nn.Module] = []
        before = 3
        for channels, kernel, stride in layers:
            down += [nn.Conv2d(before, channels, kernel, stride, 1, bias=False), nn.BatchNorm2d(channels)]
            down.append(nn.LeakyReLU(0.2, inplace=True))
            last = [nn.BatchNorm2d(before), nn.LeakyReLU(0.2, inplace=True)] if before != 3 else [nn.Sigmoid()]
            up = [nn.ConvTranspose2d(channels, before, kernel, stride, 1, bias=before == 3), *last, *up]
            before = channels
        opening = [nn.ConvTranspose2d(code, before, 8, bias=False), nn.BatchNorm2d(before), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*down, nn.Conv2d(before, code, 8), *opening, *up)

    def forward(self, image: Tensor) -> Tensor:
        """`(B, 3, side, side)` to the same."""
        found: Tensor = self.layers(image)
        return found


class Segmenter(SDCAutoencoder):
    """The network of the paper with one output, the probability that a pixel is damaged (section 4.4's comparison)."""

    def __init__(self, width: int) -> None:
        super().__init__(width=width)
        self.decoder[-1] = nn.Conv2d(width, 1, 1)


def parameters(network: nn.Module) -> int:
    """How many numbers are learned."""
    return sum(parameter.numel() for parameter in network.parameters())


def noisy(image: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """What the denoising autoencoder sees."""
    return (image + sigma * torch.randn(image.shape, generator=generator)).clamp(0, 1)
