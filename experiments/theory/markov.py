"""Markov random fields with values in [0, 1], for Proposition 2 and Theorem 2."""

import math

import torch
from torch import Generator, Tensor


class RandomField:
    """Images of identically distributed, locally dependent pixels, as Theorem 2 assumes them.

    A stationary Gaussian field z on a torus, Markov of order 1: given its four neighbours a node depends on no other.
    Each value is mapped by Φ(a z), with Φ the normal distribution function, which keeps the Markov property and brings
    it into [0, 1]; a sets the variance, see `variance`.

    Args:
        side: of the square images, in pixels.
        length_px: correlation length; far away covariances fall as exp(−distance / length).
        spread: a; 1 makes the pixels uniform, more pushes them towards 0 and 1; None leaves z as it is, with
            variance 1 and unbounded values, which no image has.

    Raises:
        ValueError: an argument is outside its domain.
    """

    def __init__(self, side: int, length_px: float = 4.0, spread: float | None = 1.0) -> None:
        if side < 1:
            raise ValueError(f"side (={side}) must be at least 1")
        if not length_px > 0:
            raise ValueError(f"length_px (={length_px}) must be positive")
        if spread is not None and not spread > 0:
            raise ValueError(f"spread (={spread}) must be positive, or None")
        self.side, self.spread = side, spread
        angle = torch.cos(2 * math.pi * torch.arange(side, dtype=torch.float64) / side)
        precision = length_px**-2 + 4 - 2 * angle.view(-1, 1) - 2 * angle
        spectrum = 1 / precision
        self._amplitude = (spectrum / spectrum.mean()).sqrt()

    @property
    def variance(self) -> float:
        """σ², of each pixel: arcsin(a² / (1 + a²)) / 2π, which grows from 0 by 1/12 (a = 1) to 1/4."""
        if self.spread is None:
            return 1.0
        return math.asin(self.spread**2 / (1 + self.spread**2)) / (2 * math.pi)

    def sample(self, count: int, generator: Generator) -> Tensor:
        """Draw independent images, `(count, side, side)` float64."""
        noise = torch.randn(count, self.side, self.side, dtype=torch.complex128, generator=generator)
        # The real part of complex noise has half its variance.
        z: Tensor = math.sqrt(2) * torch.fft.fft2(noise * self._amplitude, norm="ortho").real
        if self.spread is not None:
            z = torch.special.ndtr(self.spread * z)
        return z


def square(side: int, share: float) -> Tensor:
    """A square region in the middle of an image, with the given share of its pixels but for rounding.

    Returns:
        S, `(side, side)` bool.
    """
    width = round(side * math.sqrt(share))
    start = (side - width) // 2
    region = torch.zeros(side, side, dtype=torch.bool)
    region[start : start + width, start : start + width] = True
    return region


def gaps(field: RandomField, region: Tensor, pairs: int, generator: Generator, batch: int = 64) -> Tensor:
    """‖x_S − y_S‖² − ‖x_S̄ − y_S̄‖² of independent pairs; above 0 it violates the premise of Theorem 1.

    Its expectation is (|S| − |S̄|) · 2σ², Bauer et al. 2022, Proposition 2.

    Args:
        field: to draw from.
        region: S, `(..., side, side)` bool, one or several.
        pairs: how many; all regions see the same ones.
        generator: on the CPU.
        batch: pairs at a time.

    Returns:
        `(..., pairs)` float64.
    """
    sign = torch.where(region, 1.0, -1.0).double()
    found = []
    for start in range(0, pairs, batch):
        count = min(batch, pairs - start)
        x, y = field.sample(2 * count, generator).chunk(2)
        found.append(torch.tensordot(sign, (x - y).square(), dims=([-2, -1], [-2, -1])))
    return torch.cat(found, dim=-1)


def bound(variance: float) -> float:
    """The share |S| / N below which Theorem 2 lets violations die out: |S| < 2σ² |S̄|, eq. 11."""
    return 2 * variance / (1 + 2 * variance)
