"""How often the premise of Theorem 1 fails on given images (footnote 7 of the paper)."""

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


def difference(one: Tensor, other: Tensor) -> Tensor:
    """(x − y)² summed over the channels; `(C, H, W)` both in [0, 1], to `(H, W)` float64."""
    return (one.double() - other.double()).square().sum(dim=0)


def variance(image: Tensor) -> float:
    """σ² of Proposition 2, the variance of one value; half the mean squared difference of two images' values.

    Args:
        image: `(N, C, H, W)` in [0, 1]. A channel is a variable of its own: what the channels' means differ by does not
            tell images apart.
    """
    return float(image.double().var(dim=(0, 2, 3), correction=0).mean())


def worst_share(squared: Tensor, width: int) -> float:
    """The largest ‖x_S − y_S‖² / ‖x − y‖² over all squares S of a width; above 0.5 it violates the premise.

    A smaller square lies within a larger one, so that a width without violations has none below it either.

    Args:
        squared: `(H, W)`, >= 0, see `difference`.
        width: of the squares.

    Returns:
        a share in [0, 1]; 0 where the images are equal.
    """
    total = float(squared.sum())
    return float(box_sums(squared, width).max()) / total if total > 0 else 0.0


def smallest_violating_width(squared: Tensor) -> int | None:
    """The width of the smallest square that violates the premise, by bisection; None where none does."""
    low, high = 0, min(squared.shape)  # low never violates
    if worst_share(squared, high) <= 0.5:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if worst_share(squared, middle) > 0.5 else (middle, high)
    return high
