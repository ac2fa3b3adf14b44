"""What the files of this folder agree on."""

from typing import Protocol

import torch
from torch import Generator, Tensor


class Source(Protocol):
    """Pictures of other things, to occlude with."""

    def __call__(self, batch: int, height: int, width: int, generator: Generator, device: torch.device) -> Tensor:
        """Draw `(batch, 3, height, width)` float32 in [0, 1] on a device; the generator is on the CPU."""
        ...


class Kind(Protocol):
    """A kind of damage; `fae.corruption.damage.Damage` makes a `fae.types.Corruption` of it."""

    def __call__(self, image: Tensor, source: Source, generator: Generator) -> tuple[Tensor, Tensor]:
        """As `fae.types.Corruption`, with a source of other pictures."""
        ...


class Content(Protocol):
    """What a patch is filled with."""

    def __call__(self, image: Tensor, source: Source, generator: Generator) -> Tensor:
        """`(B, 3, H, W)` in [0, 1] to what shows where a patch lies on it, same shape and range."""
        ...


class Outline(Protocol):
    """The form of a shape."""

    def __call__(self, u: Tensor, v: Tensor, aspect: Tensor, generator: Generator) -> Tensor:
        """How far each pixel is on the way from the middle of a shape to its outline.

        Args:
            u: `(B, S, H, W)`, along S shapes an image, ±1 at the ends of their length.
            v: same shape, across them, ±1 at the ends of their breadth.
            aspect: `(B, S, 1, 1)`, length over breadth.
            generator: on the CPU.

        Returns:
            same shape as `u`, >= 0: below 1 inside, above 1 outside.
        """
        ...
