"""Statistics that need no learning; every AUROC is reported beside the best AUROC that they reach.

Each takes images `(B, 3, H, W)` and, if there are any, their regions of interest `(B, 1, H, W)` bool: no pixel outside
of them counts.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from kornia.filters import box_blur, laplacian
from torch import Tensor

Statistic = Callable[[Tensor, Tensor | None], Tensor]


def _grey(image: Tensor) -> Tensor:
    return image.mean(dim=1, keepdim=True)


def _of_each(values: Tensor, roi: Tensor | None, reduce: Callable[[Tensor], Tensor]) -> Tensor:
    """Reduce the pixels of each `(B, 1, H, W)` that count, given as `(1, pixels)`."""
    if roi is None:
        return reduce(values.flatten(1))
    return torch.cat([reduce(one[inside].view(1, -1)) for one, inside in zip(values, roi, strict=True)])


def mean(image: Tensor, roi: Tensor | None = None) -> Tensor:
    """Return the mean intensity; `(B, 3, H, W)` to `(B,)`."""
    return image.mean(dim=(1, 2, 3)) if roi is None else _of_each(_grey(image), roi, lambda grey: grey.mean(dim=1))


def deviation(image: Tensor, roi: Tensor | None = None) -> Tensor:
    """Return the standard deviation of the grey values, 0 of a single pixel; `(B, 3, H, W)` to `(B,)`."""
    return _of_each(_grey(image), roi, lambda grey: grey.std(dim=1) if grey.shape[1] > 1 else 0 * grey[:, 0])


def darkest(image: Tensor, roi: Tensor | None = None) -> Tensor:
    """Return the darkness of the darkest pixel; `(B, 3, H, W)` to `(B,)`."""
    return 1 - _of_each(_grey(image), roi, lambda grey: grey.amin(dim=1))


def high_frequency(image: Tensor, roi: Tensor | None = None) -> Tensor:
    """Return the mean squared Laplacian of the grey values; `(B, 3, H, W)` to `(B,)`.

    In a region of interest it is that of the pixels whose neighbours all lie inside; 0 if there are none.
    """
    edges: Tensor = laplacian(_grey(image), kernel_size=3)
    if roi is None:
        return edges.square().mean(dim=(1, 2, 3))
    inner = 1 - F.max_pool2d(1 - roi.float(), 3, stride=1, padding=1)
    return (edges.square() * inner).sum(dim=(1, 2, 3)) / inner.sum(dim=(1, 2, 3)).clamp_min(1)


def darkness(image: Tensor, roi: Tensor | None = None) -> Tensor:
    """Return one minus the grey value; `(B, 3, H, W)` to `(B, 1, H, W)`."""
    return 1 - _grey(image)


def local_contrast(image: Tensor, roi: Tensor | None = None) -> Tensor:
    """Return the standard deviation of the grey values over 9×9 pixels; `(B, 3, H, W)` to `(B, 1, H, W)`."""
    grey = _grey(image)
    variance = _around(grey.square(), roi) - _around(grey, roi).square()
    return torch.sqrt(variance.clamp_min(0))


def _around(values: Tensor, roi: Tensor | None) -> Tensor:
    """Average over those of 9×9 pixels that count."""
    around: Tensor = box_blur(values if roi is None else values.where(roi, 0), 9)
    return around if roi is None else around / box_blur(roi.float(), 9).clamp_min(1e-9)


IMAGE_STATISTICS: dict[str, Statistic] = {
    "mean": mean,
    "deviation": deviation,
    "darkest": darkest,
    "high_frequency": high_frequency,
}
PIXEL_STATISTICS: dict[str, Statistic] = {
    "darkness": darkness,
    "local_contrast": local_contrast,
}
