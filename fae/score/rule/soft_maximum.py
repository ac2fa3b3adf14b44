import math
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor

_LEAST = 1e-8  # of a level, before its logarithm
_MOST_CELLS = 2**20
_LEAST_SPREAD = 0.1  # of a logarithm: a level that hardly varies must not decide by rounding
_MOST = 30.0  # of z: what is more unusual says nothing more
_MOST_SUM = 80.0  # its exponential would overflow


def _is_weight(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value < math.inf


class SoftMaximum:
    """The sum of levels that is most unusual for a normal cell decides, softly.

    Levels have different sizes and spreads: the residual of coarse texture is large everywhere, and the head's evidence
    is almost zero everywhere. So each level v becomes z = (log v − a) / (b − a), where a and b are the median and the
    99 % quantile of log v over the cells of held-out normal images. Weighted sums of z compete: the value of a cell is
    exp of their soft maximum, (Σ exp(s·sum))^(1/s). No defect is seen.

    Args:
        sums: for each sum the weights >= 0 of its levels, by name. A name may be a pattern, such as `stride *`: the
            levels that match share its weight. Each level of the run must be named, so that none is forgotten; a weight
            of 0 leaves a level out. Names that this run does not have, such as `head` without a head, are passed over,
            and so are sums of such names alone. The larger a sum's weights are altogether, the more often it decides.
            None lets each level compete for itself.
        sharpness: exponent s > 0; a large one takes the maximum, and 1 adds the values up.

    Raises:
        ValueError: `sharpness` is not positive, or `sums` is no list of weights by name.
    """

    name = "soft_maximum"

    def __init__(self, sums: Sequence[Mapping[str, float]] | None = None, sharpness: float = 3.0) -> None:
        if sharpness <= 0:
            raise ValueError(f"score.rule.sharpness (={sharpness}) must be positive; 3 is a good default")
        if sums is not None and not (
            isinstance(sums, Sequence)
            and all(
                isinstance(one, Mapping) and any(one.values()) and all(map(_is_weight, one.values())) for one in sums
            )
        ):
            raise ValueError(
                f"score.rule.sums (={sums}) must be a list that gives each sum weights by the names of levels, "
                "such as [{image: 1}, {stride *: 1, head: 1}]: none below 0, and one above; null lets each level "
                "compete for itself"
            )
        self.sums, self.sharpness = sums, sharpness
        self.learned: Tensor | None = None
        """`(2 + S, L)`: the median, and the distance to the 99 % quantile, of the logarithm of each of L levels; then
        the weights of the S sums."""

    def calibrate(self, levels: Tensor, names: Sequence[str]) -> None:
        """Learn median and spread of each level from held-out normal images.

        Args:
            levels: `(N, L, h, w)` levels of the images.
            names: the names of the L levels.

        Raises:
            ValueError: a sum has no level that is there, or a level belongs to no sum.
        """
        cells = levels.transpose(0, 1).flatten(1).clamp_min(_LEAST).log()
        cells = cells[:, :: max(1, cells.shape[1] // _MOST_CELLS)]
        middle, high = (cells.kthvalue(max(1, round(q * cells.shape[1])), dim=1).values for q in (0.5, 0.99))
        spread = (high - middle).clamp_min(_LEAST_SPREAD)
        self.learned = torch.cat([torch.stack([middle, spread]), self._weights(names).to(middle)])

    def _weights(self, names: Sequence[str]) -> Tensor:
        if self.sums is None:
            return torch.eye(len(names))
        weights = torch.zeros(len(self.sums), len(names))
        named = torch.zeros(len(names), dtype=torch.bool)
        for row, one in zip(weights, self.sums, strict=True):
            for pattern, weight in one.items():
                found = torch.tensor([fnmatchcase(name, pattern) for name in names])
                row[found] += weight / max(1, int(found.sum()))
                named |= found
        weights = weights[weights.any(dim=1)]
        if not (len(weights) and named.all()):
            raise ValueError(
                f"score.rule.sums (={self.sums}) must name each of the levels {', '.join(names)}, one of them with "
                "a weight above 0; null lets each level compete for itself"
            )
        return weights

    def __call__(self, levels: Tensor) -> Tensor:
        """Combine levels `(B, L, h, w)` to one map `(B, 1, h, w)`, > 0.

        Raises:
            RuntimeError: `calibrate` has not run.
            ValueError: the levels are not those of calibration.
        """
        if self.learned is None:
            raise RuntimeError("the rule soft_maximum needs calibrate(levels of normal images) first")
        if levels.shape[1] != self.learned.shape[1]:
            raise ValueError(
                f"levels (shape {tuple(levels.shape)}) must be the {self.learned.shape[1]} of calibration; a score "
                "belongs to the space and the head of its own run"
            )
        middle, spread = self.learned[:2].view(2, 1, -1, 1, 1)
        unusual = ((levels.clamp_min(_LEAST).log() - middle) / spread).clamp_max(_MOST)
        sums = torch.einsum("sl,blhw->bshw", self.learned[2:], unusual).clamp_max(_MOST_SUM)
        return (torch.logsumexp(self.sharpness * sums, dim=1, keepdim=True) / self.sharpness).exp()
