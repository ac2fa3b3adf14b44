"""How often the premise of Theorem 1 fails on given images (footnote 7 of the paper)."""

from collections.abc import Iterator
from itertools import combinations

import torch
from torch import Tensor


def box_sums(values: Tensor, width: int) -> Tensor:
    """Sums over all squares of a width, by an integral image.

    Args:
        values: `(H, W)`, float64 for exactness.
        width: of the squares, at most H and W.

    Returns:
        `(H - width + 1, W - width + 1)`.

    Raises:
        ValueError: the squares do not fit.
    """
    height, breadth = values.shape
    if not 1 <= width <= min(height, breadth):
        raise ValueError(f"width (={width}) must lie in 1 to {min(height, breadth)}, the image's smaller side")
    total = torch.zeros(height + 1, breadth + 1, dtype=values.dtype)
    total[1:, 1:] = values.cumsum(0).cumsum(1)
    return total[width:, width:] - total[:-width, width:] - total[width:, :-width] + total[:-width, :-width]


def differences(image: Tensor) -> Iterator[Tensor]:
    """(x − y)² summed over the channels, of all pairs; `(N, C, H, W)` in [0, 1] to `(H, W)` float64 each."""
    for i, j in combinations(range(len(image)), 2):
        yield (image[i].double() - image[j].double()).square().sum(dim=0)


def worst_share(difference: Tensor, width: int) -> float:
    """The largest ‖x_S − y_S‖² / ‖x − y‖² over all squares S of a width; above 0.5 it violates the premise.

    A smaller square lies within a larger one, so that a width without violations has none below it either.

    Args:
        difference: `(H, W)`, >= 0, see `differences`.
        width: of the squares.

    Returns:
        a share in [0, 1]; 0 where the images are equal.
    """
    total = float(difference.sum())
    return float(box_sums(difference, width).max()) / total if total > 0 else 0.0


def widest(difference: Tensor) -> int:
    """The width of the smallest square that violates the premise: bisection over `worst_share`."""
    low, high = 0, min(difference.shape)  # low never violates
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if worst_share(difference, middle) > 0.5 else (middle, high)
    return high
