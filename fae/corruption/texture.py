import math

import torch
from torch import Generator, Tensor

from fae.corruption.draw import Range, log_uniform, uniform
from fae.corruption.grid import identity, sample
from fae.corruption.noise import smooth_noise

_LATTICE = 64  # side of the noise in cells; beyond it, the noise is reflected


def texture(batch: int, height: int, width: int, generator: Generator, device: torch.device) -> Tensor:
    """Draw random textures: stripes, marble, contours, spots and grain. Nothing has to be downloaded for them.

    A wave of random frequency is bent by smooth noise, clipped more or less, and coloured from one random colour to
    another. Finer noise is added to it. These textures are our addition to the paper, and differ from those of the
    synthetic data set.

    Args:
        batch: number of textures.
        height: height of a texture, in pixels.
        width: width of a texture, in pixels.
        generator: CPU generator.
        device: device of the result.

    Returns:
        the textures, `(batch, 3, height, width)` float32 in [0, 1].
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
    """Sample noise `(B, 1, n, n)` at a random place and scale, and return `(B, 1, H, W)`.

    The scale is drawn so that a cell of the noise spans between `cell_px[0]` and `cell_px[1]` pixels.
    """
    batch, cells = len(noise), noise.shape[-1]
    side = torch.tensor([width, height], dtype=torch.float32)
    window = side / (log_uniform(cell_px, (batch, 1), generator) * cells)
    shift = uniform((-1, 1), (batch, 2), generator)
    window, shift = (t.view(batch, 1, 1, 2).to(noise.device, non_blocking=True) for t in (window, shift))
    return sample(noise, identity(height, width, noise.device) * window + shift)
