"""Proposition 1 and Theorem 1: when the clean image is the nearest one to its damaged copy."""

from torch import Tensor


def _norm(values: Tensor) -> Tensor:
    return values.square().sum(dim=-1).sqrt()


def projection(damaged: Tensor, clean: Tensor, other: Tensor) -> Tensor:
    """p, the orthogonal projection of x̂_S onto the line through x_S and y_S, Bauer et al. 2022, Proposition 1.

    Args:
        damaged: x̂_S, `(..., D)`, the values of the damaged region.
        clean: x_S, same shape.
        other: y_S, same shape; where it equals x_S there is no line, and p is x_S.

    Returns:
        same shape.
    """
    line = other - clean
    squared = line.square().sum(dim=-1, keepdim=True)
    along = ((damaged - clean) * line).sum(dim=-1, keepdim=True)
    return clean + line * along / squared.where(squared > 0, 1.0)


def condition(damaged: Tensor, clean: Tensor, other: Tensor) -> Tensor:
    """Eq. 6, ‖x_S − p‖ ≤ max(‖x_S − y_S‖, ‖y_S − p‖): p does not lie beyond y_S. `(..., D)` to bool `(...)`."""
    p = projection(damaged, clean, other)
    return _norm(clean - p) <= _norm(clean - other).maximum(_norm(other - p))


def premise(clean: Tensor, other: Tensor, region: Tensor) -> Tensor:
    """Eq. 5, ‖x_S − y_S‖ ≤ ‖x_S̄ − y_S̄‖: most of what tells two images apart lies outside the damaged region.

    Args:
        clean: x, `(..., N)`.
        other: y, same shape.
        region: S, `(N,)` bool.

    Returns:
        bool `(...)`.
    """
    return _norm((clean - other)[..., region]) <= _norm((clean - other)[..., ~region])


def nearer(damaged: Tensor, clean: Tensor, other: Tensor) -> Tensor:
    """What Proposition 1 concludes, ‖x̂ − x‖ ≤ ‖x̂ − y‖. `(..., N)` to bool `(...)`."""
    return _norm(damaged - clean) <= _norm(damaged - other)
