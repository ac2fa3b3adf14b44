from collections.abc import Callable, Sequence
from copy import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fae.head.head import Head
from fae.score.levels import by_level
from fae.score.score import Score
from fae.space.space import Space
from fae.types import Residual

_TRIED = 64  # px, side of an image on which a network is tried


class Passed(NamedTuple):
    """Images after their way through a network."""

    levels: Tensor
    """`(B, L, h, w)` float32 residuals of each level of the space, and what the head makes of them."""
    reconstruction: Tensor
    """`(B, C, h, w)` reconstructions in the space."""


class Network(nn.Module):
    """All that a run learns: the statistics of its space, the model F, and the head.

    Args:
        space: frozen map from images to what is reconstructed.
        model: network F from `(B, C, h, w)` to the same shape.
        head: judge of residuals, built after `model` so that F does not depend on it.
    """

    def __init__(self, space: Space, model: nn.Module, head: Head) -> None:
        super().__init__()
        self.space, self.model, self.head = space, model, head

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the L levels."""
        return (*self.space.names, *self.head.names)

    def check_score(self, score: Score) -> None:
        """Refuse a score that does not compare the channels of this space, or does not combine these levels.

        Raises:
            ValueError: residual or rule are for something else.
        """
        point = self._tried()
        residuals = by_level(score.residual, point, point, self.space.levels)
        copy(score.rule).calibrate(residuals.new_zeros(1, len(self.names), 1, 1), self.names)

    def _tried(self) -> Tensor:
        return torch.zeros(1, sum(self.space.levels), *(max(1, _TRIED // self.space.stride),) * 2)

    def check(self, size: Sequence[int]) -> None:
        """Refuse parts that do not go together, before anything is trained.

        Args:
            size: `(height, width)` of the smallest images that will be seen, in pixels.

        Raises:
            ValueError: the images are too small for the space, or the model does not take its channels.
        """
        self.space.check(size)
        mode, point = self.training, self._tried()
        kind = type(self.model).__name__
        try:
            with torch.no_grad():
                found = self.model.eval()(point)
        except RuntimeError as error:
            raise ValueError(
                f"the model {kind} does not take the {point.shape[1]} channels of space={self.space.name}; use "
                "model=residual_sdc, or space=pixel"
            ) from error
        finally:
            self.model.train(mode)
        if found.shape != point.shape:
            raise ValueError(
                f"the model {kind} makes {tuple(found.shape)} of {tuple(point.shape)} in space={self.space.name}; a "
                "reconstruction has the shape of what it reconstructs"
            )

    def forward(
        self, image: Tensor, residual: Residual, reconstruct: Callable[[Tensor], Tensor] | None = None
    ) -> Passed:
        """Compare images with their reconstructions.

        Args:
            image: `(B, 3, H, W)` images in [0, 1].
            residual: function that compares the channels of one level.
            reconstruct: function that stands in for the model, e.g. tile by tile.
        """
        point = self.space(image)
        reconstruction = (reconstruct or self.model)(point.contiguous(memory_format=torch.channels_last))
        residuals = by_level(residual, point, reconstruction, self.space.levels)
        return Passed(torch.cat([residuals, self.head.evidence(point, reconstruction)], dim=1), reconstruction)
