"""Figure 8: are the pixels of an image identically distributed?"""

from typing import NamedTuple

import torch
from torch import Tensor

from experiments.theory.violation import box_sums


class Moments(NamedTuple):
    """Of each pixel of a window, over all its places and all images."""

    mean: Tensor
    """`(h, w)` float64."""
    deviation: Tensor
    """`(h, w)` float64, the standard deviation."""


def window_moments(image: Tensor, window: int) -> Moments:
    """Moments of each pixel of a sliding window, Bauer et al. 2022, fig. 8.

    While the window slides, its pixel (i, j) sees a block of the image whose corner is (i, j). So these are means over
    blocks, which an integral image of the sum over all images gives at once: no window is cut out.

    Args:
        image: `(N, C, H, W)` in [0, 1]; grey values are the mean over C.
        window: side of the square window, in pixels.

    Raises:
        ValueError: the images are not square, or the window is larger than they are.
    """
    height, width = image.shape[-2:]
    if height != width or not 1 <= window <= height:
        raise ValueError(f"window (={window}) must lie in 1 to the side of square images, which are {height}×{width}")
    grey = torch.zeros(2, height, width, dtype=torch.float64)
    for one in image:  # one at a time: float64 of all would be eight times their bytes
        value = one.double().mean(dim=0)
        grey += torch.stack([value, value.square()])
    places = height - window + 1
    mean, square = (box_sums(total, places) / (len(image) * places**2) for total in grey)
    return Moments(mean, (square - mean.square()).clamp_min(0).sqrt())
