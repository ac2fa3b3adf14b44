from collections.abc import Callable, Mapping, Sequence
from copy import copy
from inspect import signature
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fae.head.head import Head
from fae.score.levels import by_level
from fae.score.score import Score
from fae.space.space import Space
from fae.types import Residual

_TRIED = 64  # px, side of an image on which a network is tried
_COVERED = 0.5  # least share of a cell that a region of interest must cover somewhere


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

    def check_roi(self, roi: Tensor | None, parts: Mapping[str, Callable[..., object]]) -> None:
        """Refuse regions of interest that are too small for the space, or parts of a run that would not heed them.

        Args:
            roi: `(N, 1, H, W)` bool regions of the images that are learned from; None if all counts.
            parts: functions that must take `roi`, by the keys of the configuration that name them.

        Raises:
            ValueError: a region covers no cell by half, or a function has no argument `roi`.
        """
        if roi is None:
            return
        different = roi[:1] if roi.stride(0) == 0 else roi  # one region of all images is stored once
        covered = torch.cat([self.space.mask(some.float()).amax(dim=(1, 2, 3)) for some in torch.split(different, 64)])
        if covered.min() < _COVERED:
            raise ValueError(
                f"data.roi covers no cell of space={self.space.name} by half, which has {self.space.stride}×"
                f"{self.space.stride} px; draw a larger region, or use space=pixel"
            )
        for key, part in parts.items():
            if "roi" not in signature(part.forward if isinstance(part, nn.Module) else part).parameters:
                raise ValueError(
                    f"{key} ({type(part).__name__}) takes no roi, so that data.roi would not keep its promise; give it "
                    "the argument roi=None, and leave out what lies outside, see docs/extend.md"
                )

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
        self,
        image: Tensor,
        residual: Residual,
        reconstruct: Callable[[Tensor], Tensor] | None = None,
        roi: Tensor | None = None,
    ) -> Passed:
        """Compare images with their reconstructions.

        Args:
            image: `(B, 3, H, W)` images in [0, 1].
            residual: function that compares the channels of one level.
            reconstruct: function that stands in for the model, e.g. tile by tile.
            roi: `(B, 1, H, W)` bool, the regions of interest of the images; None if all counts.
        """
        point = self.space(image)
        reconstruction = (reconstruct or self.model)(point.contiguous(memory_format=torch.channels_last))
        cells = None if roi is None else self.space.cells(roi)
        residuals = by_level(residual, point, reconstruction, self.space.levels, cells)
        return Passed(torch.cat([residuals, self.head.evidence(point, reconstruction)], dim=1), reconstruction)
