from torch import Tensor


def check_lam(lam: float) -> float:
    """Return `lam`, the paper's λ.

    Raises:
        ValueError: it lies outside [0, 1].
    """
    if not 0.0 <= lam <= 1.0:
        raise ValueError(f"lam (={lam}) must lie in [0, 1]; 0.5 is a good default (paper, section 4.4)")
    return lam


def weighted_error(weight: Tensor, reconstruction: Tensor, clean: Tensor) -> Tensor:
    """‖w ⊙ (F(X̂) − X)‖₂² / ‖w‖₁ per image, then the mean over the batch: one term of eqs. 1 and 4.

    Args:
        weight: `(B, 1 or 3, H, W)`, >= 0; one channel is broadcast to three before both norms. No gradient
            is expected through it.
        reconstruction: `(B, 3, H, W)`.
        clean: same shape.

    Returns:
        scalar >= 0; an image whose weight is 0 everywhere counts as 0.
    """
    weight = weight.expand_as(clean)
    squared = (weight * (reconstruction - clean)).square().sum(dim=(1, 2, 3))
    norm = weight.sum(dim=(1, 2, 3))
    # The inner where keeps 0 / 0 out of the backward pass as well.
    return (squared / norm.where(norm > 0, 1.0)).mean()
