from torch import Tensor


def check_lam(lam: float) -> float:
    """Return `lam`, the paper's λ.

    Raises:
        ValueError: `lam` lies outside [0, 1].
    """
    if not 0.0 <= lam <= 1.0:
        raise ValueError(f"lam (={lam}) must lie in [0, 1]; 0.5 is a good default (paper, section 4.4)")
    return lam


def weighted_error(weight: Tensor, reconstruction: Tensor, clean: Tensor, roi: Tensor | None = None) -> Tensor:
    """Return ‖w ⊙ (F(X̂) − X)‖₂² / ‖w‖₁ per image, averaged over the batch: one term of eqs. 1 and 4.

    Args:
        weight: `(B, 1, H, W)` or `(B, 3, H, W)` weights w >= 0; a single channel is broadcast to three before both
            norms. No gradient is expected through the weights.
        reconstruction: `(B, 3, H, W)` output F(X̂) of the network, in [0, 1].
        clean: `(B, 3, H, W)` target X, in [0, 1].
        roi: `(B, 1, H, W)` bool, False where w counts as 0; None if all counts.

    Returns:
        a scalar >= 0; an image whose weight is 0 everywhere counts as 0.
    """
    weight = weight if roi is None else weight * roi
    weight = weight.expand_as(clean)
    squared = (weight * (reconstruction - clean)).square().sum(dim=(1, 2, 3))
    norm = weight.sum(dim=(1, 2, 3))
    # The inner `where` keeps 0 / 0 out of the backward pass as well.
    return (squared / norm.where(norm > 0, 1.0)).mean()
