import torch
from torch import Tensor


def damping(validation_maps: Tensor, t: float) -> Tensor:
    """(1 − avgmap)ᵗ, the factor that damps what is high on normal images too; Bauer et al. 2022, eqs. 13, 14.

    Paper: scale of avgmap open; here: clipped to [0, 1] as it is. Squared residuals are around 1e-3, so t
    acts when it is large, 10 to 1000.

    Args:
        validation_maps: `(N, 1, H, W)`, smoothed maps of held-out normal images.
        t: >= 0; 0 switches the damping off.

    Returns:
        `(1, 1, H, W)`, in [0, 1].

    Raises:
        ValueError: `t` is negative.
    """
    check_exponent(t)
    average = validation_maps.mean(dim=0, keepdim=True).clamp(0, 1)
    return torch.pow(1 - average, t)


def check_exponent(t: float) -> None:
    """Check the exponent of eq. 14.

    Raises:
        ValueError: `t` is negative.
    """
    if t < 0:
        raise ValueError(f"t (={t}) must not be negative; t=0 switches the average map off")
