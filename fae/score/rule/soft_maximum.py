from collections.abc import Sequence

import torch
from torch import Tensor

_LEAST = 1e-8  # of a level, before its logarithm
_MOST_CELLS = 2**20
_LEAST_SPREAD = 0.1  # of a logarithm: a level that hardly varies must not decide by rounding
_MOST = 30.0  # of z: what is more unusual says nothing more, and its exponential would overflow


class SoftMaximum:
    """The level that is most unusual for a normal cell decides, softly.

    Levels have different sizes and spreads: the residual of coarse texture is large everywhere, and the head's evidence
    is almost zero everywhere. So each level v becomes z = (log v − a) / (b − a), where a and b are the median and the
    99 % quantile of log v over the cells of held-out normal images. A cell's value is exp of the soft maximum
    (Σ exp(s·z))^(1/s) over its levels. No defect is seen.

    Args:
        sharpness: exponent s > 0; a large one takes the maximum, and 1 adds the levels up.
        together: positions of levels that count as one, by the mean of their z: several strides of one network see the
            same things, and their mean is less noisy than each.

    Raises:
        ValueError: `sharpness` is not positive, or a position is negative or occurs twice.
    """

    name = "soft_maximum"

    def __init__(self, sharpness: float = 3.0, together: Sequence[int] = ()) -> None:
        if sharpness <= 0:
            raise ValueError(f"score.rule.sharpness (={sharpness}) must be positive; 3 is a good default")
        if len(set(together)) < len(together) or min(together, default=0) < 0:
            raise ValueError(f"score.rule.together (={list(together)}) must hold different positions, counted from 0")
        self.sharpness, self.together = sharpness, list(together)
        self.learned: Tensor | None = None
        """`(2, L)`: the median, and the distance to the 99 % quantile, of the logarithm of each level."""

    def calibrate(self, levels: Tensor) -> None:
        """Learn median and spread of each level from `(N, L, h, w)` levels of held-out normal images."""
        cells = levels.transpose(0, 1).flatten(1).clamp_min(_LEAST).log()
        cells = cells[:, :: max(1, cells.shape[1] // _MOST_CELLS)]
        middle, high = (cells.kthvalue(max(1, round(q * cells.shape[1])), dim=1).values for q in (0.5, 0.99))
        self.learned = torch.stack([middle, (high - middle).clamp_min(_LEAST_SPREAD)])

    def __call__(self, levels: Tensor) -> Tensor:
        """Combine levels `(B, L, h, w)` to one map `(B, 1, h, w)`, > 0.

        Raises:
            RuntimeError: `calibrate` has not run.
            ValueError: the levels are not those of calibration, or `together` names one that is not there.
        """
        if self.learned is None:
            raise RuntimeError("the rule soft_maximum needs calibrate(levels of normal images) first")
        if levels.shape[1] != self.learned.shape[1]:
            raise ValueError(
                f"levels (shape {tuple(levels.shape)}) must be the {self.learned.shape[1]} of calibration; a score "
                "belongs to the space and the head of its own run"
            )
        if max(self.together, default=0) >= levels.shape[1]:
            raise ValueError(
                f"score.rule.together (={self.together}) names a level beyond the last, {levels.shape[1] - 1}; set "
                "it to levels of this space, or to []"
            )
        middle, spread = self.learned.view(2, 1, -1, 1, 1)
        unusual = ((levels.clamp_min(_LEAST).log() - middle) / spread).clamp_max(_MOST)
        if self.together:
            rest = [i for i in range(levels.shape[1]) if i not in self.together]
            one = unusual[:, self.together].mean(dim=1, keepdim=True)
            unusual = torch.cat([unusual[:, rest], one], dim=1)
        return (torch.logsumexp(self.sharpness * unusual, dim=1, keepdim=True) / self.sharpness).exp()
