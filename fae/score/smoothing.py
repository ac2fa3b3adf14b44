import torch.nn.functional as F
from torch import Tensor


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


def smooth(residual: Tensor, k: int, n: int) -> Tensor:
    """Average over k×k pixels, n times: Gₖⁿ of Bauer et al. 2022, eq. 3.

    The paper leaves the border open. Here the average near the border runs over the pixels inside the image, because
    zeros outside the image would hide defects at its border.

    Args:
        residual: `(B, 1, H, W)` residuals.
        k: odd width of the filter in pixels; it may exceed the size of the image.
        n: number of passes; 0 is the identity.

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
    half = k // 2
    for _ in range(n):
        # The mean over a square is the mean over columns of the means over rows.
        residual = F.avg_pool2d(residual, (1, k), stride=1, padding=(0, half), count_include_pad=False)
        residual = F.avg_pool2d(residual, (k, 1), stride=1, padding=(half, 0), count_include_pad=False)
    return residual
