from collections.abc import Sequence
from copy import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fae.export.masked import masked_score
from fae.network import Network
from fae.score.score import Score
from fae.types import ImageScore

DAMPING = "damping"
"""The end of the names of the factors of eq. 14 in an exported graph."""


class Member(NamedTuple):
    """One of the networks whose maps are exported."""

    network: Network
    score: Score
    """Calibrated score."""
    divisor: float = 1.0
    """Number that the maps are divided by before the members' maximum is taken."""


class _Map(nn.Module):
    damping: Tensor | None

    def __init__(self, member: Member) -> None:
        super().__init__()
        self.network, self.divisor = member.network, member.divisor
        self.score = copy(member.score)
        self.score.t = 0.0  # the factor stands in the graph under a name, so that held-out images may have their own
        self.register_buffer("damping", member.score.damping)

    def forward(self, image: Tensor, roi: Tensor | None) -> Tensor:
        levels = self.network(image, self.score.residual, roi=roi).levels
        maps = self.score.anomaly_map(self.score.combined(levels, image.shape[-2:], roi), roi)
        return (maps if self.damping is None else maps * self.damping) / self.divisor


class Graph(nn.Module):
    """All that lies between an image at the run's size and its decision.

    Args:
        members: the network, or several whose maps' pixelwise maximum is taken (Bauer et al. 2022, section 4.4).
        image_score: calibrated image score of that map.
        by_region: whether the part of an image that is judged is a region of interest, not only what is no padding.
    """

    def __init__(self, members: Sequence[Member], image_score: ImageScore, by_region: bool = False) -> None:
        super().__init__()
        self.by_region = by_region
        self.members = nn.ModuleList(_Map(member) for member in members)
        self.image_score = image_score

    def forward(
        self, image: Tensor, image_threshold: Tensor, pixel_threshold: Tensor, content: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Score images.

        Args:
            image: `(B, H, W, 3)` uint8 images in RGB.
            image_threshold: scalar that the scores of anomalous images exceed; infinity decides nothing.
            pixel_threshold: scalar that the map exceeds in anomalous pixels; infinity decides nothing.
            content: `(B, H, W)` bool, True where an image is judged; None judges all of it.

        Returns:
            the maps `(B, H, W)`, the scores `(B,)`, and the decisions on images `(B,)` and on pixels `(B, H, W)`.
        """
        pixels = image.permute(0, 3, 1, 2).float() / 255
        judged = None if content is None else content.unsqueeze(1)
        roi = judged if self.by_region else None
        maps = torch.stack([member(pixels, roi) for member in self.members]).amax(dim=0)
        if judged is None:
            score = self.image_score(maps)
        else:
            maps = maps * judged
            score = masked_score(self.image_score, maps, judged)
        anomaly_map = maps.squeeze(1)
        return anomaly_map, score, score > image_threshold, anomaly_map > pixel_threshold
