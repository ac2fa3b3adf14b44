"""The networks of the rivals that this environment trains."""

import torch
from torch import Tensor, nn

from fae.model.autoencoder import SDCAutoencoder


class BottleneckAutoencoder(nn.Module):
    """Bergmann et al., VISAPP 2019, Table 1: strided convolutions to a code of 100 numbers, and back, mirrored.

    The paper's images have 128×128 pixels; each doubling of the side adds a strided layer at either end. Here: batch
    norm, because the budgets are short, and a sigmoid at the end, because images lie in [0, 1].
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
        """Reconstruction `(B, 3, side, side)` of an image of that shape."""
        found: Tensor = self.layers(image)
        return found


class Segmenter(SDCAutoencoder):
    """The network of the paper with one output, the probability that a pixel is damaged (section 4.4's comparison)."""

    def __init__(self, width: int) -> None:
        super().__init__(width=width)
        self.decoder[-1] = nn.Conv2d(width, 1, 1)


def parameters(network: nn.Module) -> int:
    """The number of learned parameters."""
    return sum(parameter.numel() for parameter in network.parameters())


def noisy(image: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """The input of the denoising autoencoder: the image with Gaussian noise, clamped to [0, 1]."""
    return (image + sigma * torch.randn(image.shape, generator=generator)).clamp(0, 1)
