"""The protocols of the parts of a corruption; a whole corruption is a `fae.types.Corruption`."""

from typing import Protocol

import torch
from torch import Generator, Tensor


class Content(Protocol):
    """Content that fills a patch."""

    def __call__(self, image: Tensor, generator: Generator) -> Tensor:
        """Fill whole images; a shape then shows parts of them.

        Args:
            image: `(B, 3, H, W)` images in [0, 1], on the training device.
            generator: CPU generator, the only source of randomness.

        Returns:
            the images that show where a patch lies, with the shape, range and device of `image`.
        """
        ...


class Source(Protocol):
    """Pictures of other things, for a content that shows them."""

    def __call__(self, batch: int, height: int, width: int, generator: Generator, device: torch.device) -> Tensor:
        """Draw pictures, `(batch, 3, height, width)` float32 in [0, 1], on a device, with a CPU generator."""
        ...


class Outline(Protocol):
    """The form of a shape."""

    def __call__(self, u: Tensor, v: Tensor, aspect: Tensor, generator: Generator) -> Tensor:
        """Return how far each pixel lies on the way from the middle of a shape to its outline.

        Args:
            u: `(B, S, H, W)` coordinates along the S shapes of each image, ±1 at the ends of a shape's length.
            v: `(B, S, H, W)` coordinates across the shapes, ±1 at the ends of a shape's breadth.
            aspect: `(B, S, 1, 1)` ratios of length to breadth.
            generator: CPU generator.

        Returns:
            relative distances >= 0 with the shape of `u`: below 1 inside a shape, above 1 outside.
        """
        ...
