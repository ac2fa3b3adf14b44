import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from fae.corruption.draw import send

_REACH = 2  # cells; the kernel is a Gaussian with a deviation of one cell
_TAPS = torch.exp(-torch.arange(-_REACH, _REACH + 1).square() / 2)
_KERNEL = torch.outer(_TAPS, _TAPS) / torch.outer(_TAPS, _TAPS).norm()


def smooth_noise(batch: int, channels: int, cells: int, generator: Generator, device: torch.device) -> Tensor:
    """Gaussian noise, smoothed over one cell and scaled back to unit deviation.

    Args:
        batch: how many fields.
        channels: of each.
        cells: of its side.
        generator: on the CPU.
        device: of the result.

    Returns:
        `(batch, channels, cells, cells)` float32.
    """
    side = cells + 2 * _REACH
    noise = send(torch.randn((batch * channels, 1, side, side), generator=generator), device)
    return F.conv2d(noise, send(_KERNEL[None, None], device)).view(batch, channels, cells, cells)
