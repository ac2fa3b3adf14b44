import math

import torch
from torch import Generator, Tensor

from fae.corruption.draw import Range, log_uniform, uniform
from fae.corruption.grid import identity, sample
from fae.corruption.noise import smooth_noise

_LATTICE = 64  # cells of noise; they repeat by reflection


def texture(batch: int, height: int, width: int, generator: Generator, device: torch.device) -> Tensor:
    """Random textures, so that nothing has to be downloaded: stripes, marble, contours, spots and grain.

    A wave of random frequency, bent by smooth noise and more or less clipped, runs from one random colour to
    another; finer noise is laid over it. Ours; it shares nothing with the synthetic data set.

    Args:
        batch: how many.
        height: in pixels.
        width: in pixels.
        generator: on the CPU.
        device: of the result.

    Returns:
        `(batch, 3, height, width)` float32 in [0, 1].
    """
    one = (batch, 1, 1, 1)
    bend, grain = torch.split(smooth_noise(batch, 2, _LATTICE, generator, device), 1, dim=1)
    angle = uniform((0, 2 * math.pi), one, generator)
    wave_px = log_uniform((3.0, 200.0), one, generator)
    strength = uniform((0.0, 8.0), one, generator).to(device, non_blocking=True)
    clipping = log_uniform((0.5, 8.0), one, generator).to(device, non_blocking=True)
    dark, light = torch.rand((2, batch, 3, 1, 1), generator=generator).to(device, non_blocking=True)
    grain_size = uniform((0.0, 0.12), one, generator).to(device, non_blocking=True)

    y = torch.arange(height, device=device).view(-1, 1)
    x = torch.arange(width, device=device)
    across, down = ((2 * math.pi * t / wave_px).to(device, non_blocking=True) for t in (angle.cos(), angle.sin()))
    phase = strength * _field(bend, height, width, (8.0, 64.0), generator)
    wave = torch.sin(across * x + down * y + phase) * clipping
    fine = _field(grain, height, width, (1.0, 4.0), generator) * grain_size
    value = (0.5 + 0.5 * wave).clamp_(0, 1)
    return torch.lerp(dark, light, value).add_(fine).clamp_(0, 1)


def _field(noise: Tensor, height: int, width: int, cell_px: Range, generator: Generator) -> Tensor:
    """Noise `(B, 1, n, n)` at a random place and scale, one of its cells spanning so many pixels; `(B, 1, H, W)`."""
    batch, cells = len(noise), noise.shape[-1]
    side = torch.tensor([width, height], dtype=torch.float32)
    window = side / (log_uniform(cell_px, (batch, 1), generator) * cells)
    shift = uniform((-1, 1), (batch, 2), generator)
    window, shift = (t.view(batch, 1, 1, 2).to(noise.device, non_blocking=True) for t in (window, shift))
    return sample(noise, identity(height, width, noise.device) * window + shift)
