import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from fae.corruption.draw import send

_REACH = 2  # reach of the kernel in cells; it is a Gaussian with a standard deviation of one cell
_TAPS = torch.exp(-torch.arange(-_REACH, _REACH + 1).square() / 2)
_KERNEL = torch.outer(_TAPS, _TAPS) / torch.outer(_TAPS, _TAPS).norm()


def smooth_noise(batch: int, channels: int, cells: int, generator: Generator, device: torch.device) -> Tensor:
    """Draw Gaussian noise, smooth it over one cell, and scale it back to a standard deviation of 1.

    Args:
        batch: number of fields.
        channels: number of channels of each field.
        cells: side of a field, in cells.
        generator: CPU generator.
        device: device of the result.

    Returns:
        the noise, `(batch, channels, cells, cells)` float32.
    """
    side = cells + 2 * _REACH
    noise = send(torch.randn((batch * channels, 1, side, side), generator=generator), device)
    return F.conv2d(noise, send(_KERNEL[None, None], device)).view(batch, channels, cells, cells)
