"""What the files of this folder agree on; a whole corruption is a `fae.types.Corruption`."""

from typing import Protocol

import torch
from torch import Generator, Tensor


class Content(Protocol):
    """What a patch is filled with."""

    def __call__(self, image: Tensor, generator: Generator) -> Tensor:
        """Fill whole images, of which a shape then shows a part.

        Args:
            image: `(B, 3, H, W)` in [0, 1], on the training device.
            generator: a CPU generator, the only source of randomness.

        Returns:
            same shape, range and device: what shows where a patch lies.
        """
        ...


class Source(Protocol):
    """Pictures of other things, for a content that shows them."""

    def __call__(self, batch: int, height: int, width: int, generator: Generator, device: torch.device) -> Tensor:
        """Draw `(batch, 3, height, width)` float32 in [0, 1] on a device; the generator is on the CPU."""
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
