import torch
import torch.nn.functional as F
from torch import Generator, Tensor

_REACH = 2  # cells; the kernel is a Gaussian with a deviation of one cell
_TAPS = torch.exp(-torch.arange(-_REACH, _REACH + 1).square() / 2)
_KERNEL = torch.outer(_TAPS, _TAPS) / torch.outer(_TAPS, _TAPS).norm()


def smooth_noise(batch: int, channels: int, cells: int, generator: Generator) -> Tensor:
    """Gaussian noise, smoothed over one cell and scaled back to unit deviation.

    Returns:
        `(batch, channels, cells, cells)` on the CPU.
    """
    side = cells + 2 * _REACH
    noise = torch.randn((batch * channels, 1, side, side), generator=generator)
    return F.conv2d(noise, _KERNEL[None, None]).view(batch, channels, cells, cells)
