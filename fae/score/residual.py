from collections.abc import Callable

import torch
from kornia.metrics import ssim
from torch import Tensor

_WINDOW = 11  # px, and a deviation of 1.5 px: as in Wang et al. 2004


def _check_shapes(image: Tensor, reconstruction: Tensor) -> None:
    if image.shape != reconstruction.shape:
        raise ValueError(
            f"reconstruction (shape {tuple(reconstruction.shape)}) must have the shape of image {tuple(image.shape)}"
        )


def residual_map(image: Tensor, reconstruction: Tensor) -> Tensor:
    """Channel-mean squared reconstruction error, Bauer et al. 2022, eq. 2.

    Args:
        image: `(B, C, H, W)`, intensities in [0, 1].
        reconstruction: same shape and range.

    Returns:
        `(B, 1, H, W)`, >= 0; higher means more anomalous.

    Raises:
        ValueError: the shapes differ.
    """
    _check_shapes(image, reconstruction)
    return (image - reconstruction).square().mean(dim=1, keepdim=True)


def dissimilarity_map(image: Tensor, reconstruction: Tensor) -> Tensor:
    """1 − SSIM, the alternative to eq. 2 in Bauer et al. 2022, section 4.1, for some categories.

    The similarity's channels are averaged; what exceeds 1, an inverted structure, stays.

    Args:
        image: `(B, C, H, W)`, intensities in [0, 1].
        reconstruction: same shape and range.

    Returns:
        `(B, 1, H, W)`, in [0, 2]; higher means more anomalous.

    Raises:
        ValueError: the shapes differ.
    """
    _check_shapes(image, reconstruction)
    similarity: Tensor = ssim(image.float(), reconstruction.float(), _WINDOW, max_val=1.0)
    return (1 - similarity.mean(dim=1, keepdim=True)).clamp_min(0)


def darker_map(image: Tensor, reconstruction: Tensor) -> Tensor:
    """Eq. 2 where the image is darker than its reconstruction, for products whose defects are dark.

    Paper: both signs count; here: one, as bright grain that no network returns is then no anomaly. What the whole image
    is off by, the median of the difference in each channel, is taken off first: with half of the pixels left at any
    brightness, maps and their medians stay comparable. By amplify, too, dark damage comes back brighter.

    Args:
        image: `(B, C, H, W)`, intensities in [0, 1].
        reconstruction: same shape and range.

    Returns:
        `(B, 1, H, W)`, >= 0; higher means more anomalous.

    Raises:
        ValueError: the shapes differ.
    """
    return _excess(image, reconstruction, -1)


def brighter_map(image: Tensor, reconstruction: Tensor) -> Tensor:
    """Eq. 2 where the image is brighter than its reconstruction; otherwise like `darker_map`."""
    return _excess(image, reconstruction, 1)


def _excess(image: Tensor, reconstruction: Tensor, sign: int) -> Tensor:
    _check_shapes(image, reconstruction)
    difference = sign * (image - reconstruction)
    planes = difference.flatten(0, 1)
    offset = torch.stack([plane.median() for plane in planes])  # along a dimension CUDA's is not deterministic
    offset = offset.view(*difference.shape[:2], 1, 1)
    return (difference - offset).clamp_min(0).square().mean(dim=1, keepdim=True)


RESIDUALS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "squared": residual_map,
    "ssim": dissimilarity_map,
    "darker": darker_map,
    "brighter": brighter_map,
}
