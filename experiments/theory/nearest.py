"""Figure 9: is the clean image the nearest one to its damaged copy, and to what the network makes of it?"""

from typing import NamedTuple

import torch
from torch import Generator, Tensor

_VALUES = 1 << 16  # at a time, in float64


class Nearest(NamedTuple):
    """For each query its nearest image."""

    which: Tensor
    """`(Q,)` int64."""
    distance: Tensor
    """`(Q,)` float64, Euclidean."""


def nearest(query: Tensor, image: Tensor) -> Nearest:
    """Exact nearest neighbours: all distances, by products of matrices in float64, some pixels at a time.

    Args:
        query: `(Q, ...)`.
        image: `(N, ...)`, of the same further shape.

    Raises:
        ValueError: shapes differ, or there is no image.
    """
    if query.shape[1:] != image.shape[1:] or not len(image):
        raise ValueError(f"image {tuple(image.shape)} must hold something of the shape of query {tuple(query.shape)}")
    query, image = query.flatten(1), image.flatten(1)
    squared = torch.zeros(len(query), len(image), dtype=torch.float64)
    for q, x in zip(torch.split(query, _VALUES, dim=1), torch.split(image, _VALUES, dim=1), strict=True):
        q, x = q.double(), x.double()
        squared += q.square().sum(dim=1, keepdim=True) + x.square().sum(dim=1) - 2 * q @ x.T
    found = squared.clamp_min(0).min(dim=1)
    return Nearest(found.indices, found.values.sqrt())


def swapped(image: Tensor, width: int, generator: Generator, same_place: bool = False) -> Tensor:
    """Replace a square of each image by one of another image, Bauer et al. 2022, section 4.2.

    Paper: the square's place in the other image is open; here: drawn as well, because textures have no place.

    Args:
        image: `(N, C, H, W)`, two images at least.
        width: of the square, in pixels, at most H and W; 0 changes nothing.
        generator: on the CPU.
        same_place: take the square from where it goes to, as for objects.

    Raises:
        ValueError: the square does not fit, or there is one image alone.
    """
    count, _, height, breadth = image.shape
    if not 0 <= width <= min(height, breadth):
        raise ValueError(f"width (={width}) must lie in 0 to {min(height, breadth)}, the image's smaller side")
    if count < 2:
        raise ValueError(f"image holds {count}; two at least are needed to swap squares")
    result = image.clone()
    for i in range(count):
        other = (i + int(torch.randint(1, count, (), generator=generator))) % count
        (top, above), (left, beside) = (
            torch.randint(side - width + 1, (2,), generator=generator).tolist() for side in (height, breadth)
        )
        if same_place:
            above, beside = top, left
        patch = image[other, :, above : above + width, beside : beside + width]
        result[i, :, top : top + width, left : left + width] = patch
    return result
