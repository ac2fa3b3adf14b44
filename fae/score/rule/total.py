from collections.abc import Sequence

from torch import Tensor


class Total:
    """The sum of all levels. With the single level of the pixels it is the residual itself, as in Bauer et al. 2022."""

    name = "total"

    def __init__(self) -> None:
        self.learned: Tensor | None = None

    def calibrate(self, levels: Tensor, names: Sequence[str]) -> None:
        """Learn nothing."""

    def __call__(self, levels: Tensor) -> Tensor:
        """Add up levels `(B, L, h, w)` to `(B, 1, h, w)`."""
        return levels.sum(dim=1, keepdim=True)
