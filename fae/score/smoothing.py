import torch.nn.functional as F
from torch import Tensor

_LEAST = 1e-9  # of a share of k×k pixels: where a region of interest is far, it is 0


def check_smoothing(k: int, n: int) -> None:
    """Check the filter width and the number of passes.

    Raises:
        ValueError: `k` is even or below 1, `n` is negative, or `k` or `n` is not a whole number.
    """
    for name, value in (("k", k), ("n", n)):
        if not isinstance(value, int):
            raise ValueError(f"{name} (={value}) must be a whole number")
    if k < 1 or k % 2 == 0:
        raise ValueError(f"k (={k}) must be odd; use {max(k - 1, 1)} or {max(k + 1, 3)}")
    if n < 0:
        raise ValueError(f"n (={n}) must not be negative; n=0 leaves the map as it is")


def smooth(residual: Tensor, k: int, n: int, roi: Tensor | None = None) -> Tensor:
    """Average over k×k pixels, n times: Gₖⁿ of Bauer et al. 2022, eq. 3.

    The paper leaves the border open. Here the average near the border runs over the pixels inside the image, because
    zeros outside the image would hide defects at its border. With a region of interest it runs over the pixels inside
    the region alone, in each pass, and the map is 0 outside.

    Args:
        residual: `(B, 1, H, W)` residuals.
        k: odd width of the filter in pixels; it may exceed the size of the image.
        n: number of passes; 0 is the identity.
        roi: bool, `(B, 1, H, W)` or `(1, 1, H, W)`, the regions of interest; None takes whole images.

    Returns:
        smoothed residuals with the shape of `residual`.

    Examples:
        >>> import torch
        >>> residual = torch.zeros(1, 1, 3, 3)
        >>> residual[..., 1, 1] = 9.0
        >>> smooth(residual, k=3, n=1)[0, 0, 1]
        tensor([1.5000, 1.0000, 1.5000])
    """
    check_smoothing(k, n)
    if roi is None:
        for _ in range(n):
            residual = _mean(residual, k)
        return residual
    residual = residual.where(roi, 0)
    for _ in range(n):
        residual = (_mean(residual, k) / _mean(roi.to(residual.dtype), k).clamp_min(_LEAST)).where(roi, 0)
    return residual


def _mean(values: Tensor, k: int) -> Tensor:
    """Average over k×k pixels; the mean over a square is the mean over columns of the means over rows."""
    half = k // 2
    values = F.avg_pool2d(values, (1, k), stride=1, padding=(0, half), count_include_pad=False)
    return F.avg_pool2d(values, (k, 1), stride=1, padding=(half, 0), count_include_pad=False)
