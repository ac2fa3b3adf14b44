import torch
from torch import Tensor


def damping(validation_maps: Tensor, t: float, roi: Tensor | None = None) -> Tensor:
    """Return (1 − avgmap)ᵗ, which damps pixels that are high on normal images, too; Bauer et al. 2022, eqs. 13, 14.

    The paper leaves the scale of avgmap open. Here avgmap is clipped to [0, 1] without scaling. Squared residuals are
    around 1e-3, so only a large t, 10 to 1000, has an effect.

    Args:
        validation_maps: `(N, 1, H, W)` smoothed maps of held-out normal images.
        t: exponent, >= 0; 0 switches the damping off.
        roi: `(N, 1, H, W)` bool, the pixels of each map that take part in the average; None takes all.

    Returns:
        `(1, 1, H, W)` factor in [0, 1].

    Raises:
        ValueError: `t` is negative.
    """
    check_exponent(t)
    if roi is None:
        average = validation_maps.mean(dim=0, keepdim=True)
    else:
        count = roi.sum(dim=0, keepdim=True)
        average = validation_maps.where(roi, 0).sum(dim=0, keepdim=True) / count.clamp_min(1)
    return torch.pow(1 - average.clamp(0, 1), t)


def damping_by_others(validation_maps: Tensor, t: float, roi: Tensor | None = None) -> Tensor:
    """Return the damping factor of each held-out image, from the average map of the other held-out images.

    If its own map were in the average, a held-out image would be damped more than a new image, and thresholds from
    held-out images would be too low. A single image is not damped.

    Args:
        validation_maps: `(N, 1, H, W)` smoothed maps of held-out normal images.
        t: exponent, >= 0; 0 switches the damping off.
        roi: `(N, 1, H, W)` bool, the pixels of each map that take part in the averages; None takes all.

    Returns:
        `(N, 1, H, W)` factors in [0, 1].

    Raises:
        ValueError: `t` is negative.
    """
    check_exponent(t)
    if roi is None:
        others = (validation_maps.sum(dim=0, keepdim=True) - validation_maps) / max(1, len(validation_maps) - 1)
    else:
        maps = validation_maps.where(roi, 0)
        count = roi.sum(dim=0, keepdim=True) - roi.int()
        others = (maps.sum(dim=0, keepdim=True) - maps) / count.clamp_min(1)
    return torch.pow(1 - others.clamp(0, 1), t)


def check_exponent(t: float) -> None:
    """Check the exponent of eq. 14.

    Raises:
        ValueError: `t` is negative.
    """
    if t < 0:
        raise ValueError(f"t (={t}) must not be negative; t=0 switches the average map off")
