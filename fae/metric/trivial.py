"""Statistics that need no learning; every AUROC is reported beside the best AUROC that they reach."""

from collections.abc import Callable

import torch
from kornia.filters import box_blur, laplacian
from torch import Tensor


def _grey(image: Tensor) -> Tensor:
    return image.mean(dim=1, keepdim=True)


def mean(image: Tensor) -> Tensor:
    """Return the mean intensity; `(B, 3, H, W)` to `(B,)`."""
    return image.mean(dim=(1, 2, 3))


def deviation(image: Tensor) -> Tensor:
    """Return the standard deviation of the grey values; `(B, 3, H, W)` to `(B,)`."""
    return _grey(image).flatten(1).std(dim=1)


def darkest(image: Tensor) -> Tensor:
    """Return the darkness of the darkest pixel; `(B, 3, H, W)` to `(B,)`."""
    return 1 - _grey(image).flatten(1).amin(dim=1)


def high_frequency(image: Tensor) -> Tensor:
    """Return the mean squared Laplacian of the grey values; `(B, 3, H, W)` to `(B,)`."""
    edges: Tensor = laplacian(_grey(image), kernel_size=3)
    return edges.square().mean(dim=(1, 2, 3))


def darkness(image: Tensor) -> Tensor:
    """Return one minus the grey value; `(B, 3, H, W)` to `(B, 1, H, W)`."""
    return 1 - _grey(image)


def local_contrast(image: Tensor) -> Tensor:
    """Return the standard deviation of the grey values over 9×9 pixels; `(B, 3, H, W)` to `(B, 1, H, W)`."""
    grey = _grey(image)
    variance = box_blur(grey.square(), 9) - box_blur(grey, 9).square()
    return torch.sqrt(variance.clamp_min(0))


IMAGE_STATISTICS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": mean,
    "deviation": deviation,
    "darkest": darkest,
    "high_frequency": high_frequency,
}
PIXEL_STATISTICS: dict[str, Callable[[Tensor], Tensor]] = {
    "darkness": darkness,
    "local_contrast": local_contrast,
}
