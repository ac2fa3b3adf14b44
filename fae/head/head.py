from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor, nn

from fae.types import Batch


class Part(NamedTuple):
    """Points of some images."""

    point: Tensor
    """`(B, C, h, w)`."""
    roi: Tensor | None = None
    """`(B, 1, h, w)` bool, False on cells that do not count; None if all do."""


class Head(nn.Module, ABC):
    """A judge beside F, which never changes F: F(X̂) reaches it without its gradient."""

    name: str
    """The name of the head in reports."""
    names: tuple[str, ...]
    """The name of each map that the head makes, as pictures and reports show it."""

    def remember(self, points: Iterable[Part], images: int, fine: int) -> None:
        """Look once at the normal training images, before training; most heads need not.

        Args:
            points: parts of the points of all images, in a random order; each pass makes them anew.
            images: number of the images.
            fine: number of leading channels that are finer than a cell, see `fae.space.space.Space`.
        """

    def forget(self) -> None:
        """Forget what was remembered, so that `remember` looks again; most heads remember nothing."""

    @abstractmethod
    def losses(self, point: Tensor, reconstruction: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return what is minimised beside the objective, a scalar for each name.

        Args:
            point: `(B, C, h, w)` inputs X̂ of F, in its space.
            reconstruction: `(B, C, h, w)` outputs F(X̂).
            batch: images that X̂ comes from, with their damage.
        """

    @abstractmethod
    def evidence(self, point: Tensor, reconstruction: Tensor) -> Tensor:
        """Return the evidence of damage, >= 0; −log(1 − p) nats where a head knows its probability p.

        Args:
            point: `(B, C, h, w)` points of the space.
            reconstruction: `(B, C, h, w)` their reconstructions.

        Returns:
            `(B, len(names), h, w)` float32; higher means more anomalous.
        """
