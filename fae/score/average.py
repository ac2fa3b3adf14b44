import torch
from torch import Tensor


def damping(validation_maps: Tensor, t: float) -> Tensor:
    """(1 − avgmap)ᵗ, the factor that damps what is high on normal images too; Bauer et al. 2022, eqs. 13, 14.

    Paper: scale of avgmap open; here: clipped to [0, 1] as it is. Squared residuals are around 1e-3, so t
    acts when it is large, 10 to 1000.

    Args:
        validation_maps: `(N, 1, H, W)`, smoothed maps of held-out normal images.
        t: exponent, >= 0; 0 switches the damping off.

    Returns:
        `(1, 1, H, W)`, in [0, 1].

    Raises:
        ValueError: `t` is negative.
    """
    check_exponent(t)
    average = validation_maps.mean(dim=0, keepdim=True).clamp(0, 1)
    return torch.pow(1 - average, t)


def damping_by_others(validation_maps: Tensor, t: float) -> Tensor:
    """The same for the held-out images themselves: each by the average of the others, as a new image would be.

    With its own map in the average, a held-out image would be damped more than a new one, and thresholds from
    held-out images would be too low. A single image is not damped.

    Args:
        validation_maps: `(N, 1, H, W)`.
        t: exponent, >= 0.

    Returns:
        `(N, 1, H, W)`, in [0, 1].

    Raises:
        ValueError: `t` is negative.
    """
    check_exponent(t)
    count = len(validation_maps)
    others = (validation_maps.sum(dim=0, keepdim=True) - validation_maps) / max(1, count - 1)
    return torch.pow(1 - others.clamp(0, 1), t)


def check_exponent(t: float) -> None:
    """Check the exponent of eq. 14.

    Raises:
        ValueError: `t` is negative.
    """
    if t < 0:
        raise ValueError(f"t (={t}) must not be negative; t=0 switches the average map off")
