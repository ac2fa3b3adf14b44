from abc import ABC, abstractmethod

from torch import Tensor, nn

from fae.types import Batch


class Head(nn.Module, ABC):
    """A judge of residuals, which is trained beside F and never changes it: F(X̂) reaches it without its gradient."""

    name: str
    """The name of the head in reports."""
    names: tuple[str, ...]
    """The name of each map that the head makes, as pictures and reports show it."""

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
        """Return the evidence of damage, −log(1 − p) >= 0 nats if p is its probability.

        Args:
            point: `(B, C, h, w)` points of the space.
            reconstruction: `(B, C, h, w)` their reconstructions.

        Returns:
            `(B, len(names), h, w)` float32; higher means more anomalous.
        """
