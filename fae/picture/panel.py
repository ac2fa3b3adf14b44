"""The parts of every picture of a result: images, coloured maps, overlays and outlines.

A picture is `(H, W, 3)` uint8, RGB. OpenCV scales, colours and outlines, because it works directly on arrays.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fae.score.percent import anomaly_percent

Picture = NDArray[np.uint8]

_GAP = 4  # px
_DIMMED = 3


class Part(NamedTuple):
    """The map that one level of a space, or the head, makes alone."""

    name: str
    anomaly_map: Tensor
    """`(N, 1, H, W)` maps, >= 0."""
    limit: float
    """The map value of the brightest colour."""


class Shown(NamedTuple):
    """Scored test images, with everything that a picture shows."""

    image: Tensor
    """`(N, 3, H, W)` uint8 images."""
    anomaly_map: Tensor
    """`(N, 1, H, W)` maps, >= 0."""
    mask: Tensor
    """`(N, 1, H, W)` bool masks of the true defects; False everywhere if an image has none."""
    image_score: NDArray[np.float32]
    """`(N,)` finite scores; higher means more anomalous."""
    types: NDArray[np.str_]
    """`(N,)` defect types of the images; "good" stands for normal images."""
    names: Sequence[str]
    """The names of the images in captions and files: `<defect_type>/<stem>`."""
    threshold: float | None
    """The score above which images are called anomalous; None if there is no threshold."""
    reconstruction: Tensor | None = None
    """`(N, 3, H, W)` uint8 pictures of the reconstructions, if available."""
    parts: Sequence[Part] = ()
    """The maps of each level alone, if there are several."""
    shows: str = "reconstruction"
    """What the pictures of the reconstructions show, in words."""
    percent_width: float | None = None
    """The width of the curve of `fae.score.percent`; None if it is unknown."""
    roi: Tensor | None = None
    """`(N, 1, H, W)` bool regions of interest; None if whole images count."""

    @property
    def limit(self) -> float:
        """The map value of the brightest colour; all pictures of a run share this value."""
        return colour_limit(self.anomaly_map, self.roi)

    def percent(self, i: int) -> float | None:
        """Return the score of an image in per cent, see `fae.score.percent`; None if there is no threshold."""
        return anomaly_percent(float(self.image_score[i]), self.threshold, self.percent_width)

    def score(self, i: int) -> str:
        """Return the score of an image in words, for captions."""
        percent = self.percent(i)
        return f"score {self.image_score[i]:.4g}" + ("" if percent is None else f" ({percent:.0f} %)")


def colour_limit(anomaly_map: Tensor, roi: Tensor | None = None) -> float:
    """Return the 99.9 % quantile of the pixels of maps, which are those in a region of interest of the same shape.

    It is 1 if there are no pixels or the quantile is zero.
    """
    pixels = anomaly_map.flatten() if roi is None else anomaly_map[roi]
    if not len(pixels):
        return 1.0
    return float(pixels.kthvalue(max(1, round(0.999 * pixels.numel()))).values) or 1.0


def picture(image: Tensor) -> Picture:
    """Turn an image `(3, H, W)` into a picture.

    uint8 stays as it is; floats are clipped to [0, 1] and scaled, and NaN becomes black.
    """
    if image.is_floating_point():
        image = image.float().nan_to_num().clamp(0, 1).mul(255).round().byte()
    return np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy())


def heat(anomaly_map: NDArray[np.float32], limit: float) -> Picture:
    """Colour a map `(H, W)`, >= 0: black at 0, yellow from `limit` on."""
    level = ((anomaly_map / limit).clip(0, 1) * 255).round().astype(np.uint8)
    return np.asarray(cv2.cvtColor(cv2.applyColorMap(level, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB), dtype=np.uint8)


def overlay(image: Picture, anomaly_map: NDArray[np.float32], limit: float) -> Picture:
    """Lay a coloured map over its image, more opaque where the map is higher; both have one height and width."""
    alpha = 0.75 * np.sqrt((anomaly_map / limit).clip(0, 1))[..., None]
    return np.ascontiguousarray((image * (1 - alpha) + heat(anomaly_map, limit) * alpha).round().astype(np.uint8))


def outline(shown: Picture, mask: NDArray[np.generic]) -> None:
    """Draw the green outline of a mask `(H, W)` into a picture `(H, W, 3)`, in place."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(shown, contours, -1, (0, 255, 0), 1)


def dim(shown: Picture, roi: NDArray[np.bool_]) -> None:
    """Darken what lies outside a region of interest `(H, W)`, in place, and draw the region's outline in white."""
    shown[~roi] //= _DIMMED
    contours, _ = cv2.findContours(roi.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(shown, contours, -1, (255, 255, 255), 1)


def scaled(shown: Picture, size: tuple[int, int]) -> Picture:
    """Resize a picture to `(width, height)`: it is averaged to shrink, and interpolated cubically to grow."""
    return np.asarray(cv2.resize(shown, size, interpolation=_method(shown, size, cv2.INTER_CUBIC)), dtype=np.uint8)


def scaled_map(anomaly_map: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize a map `(H, W)` to `(width, height)`: it is averaged to shrink, and interpolated linearly to grow."""
    method = _method(anomaly_map, size, cv2.INTER_LINEAR)
    return np.asarray(cv2.resize(anomaly_map, size, interpolation=method), dtype=np.float32)


def scaled_mask(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Resize a mask `(H, W)` to `(width, height)`; when it shrinks, a pixel is set if the mask touches it at all."""
    method = _method(mask, size, cv2.INTER_NEAREST)
    return np.asarray(cv2.resize(mask * np.uint8(255), size, interpolation=method) > 0)


def beside(pictures: Sequence[Picture]) -> Picture:
    """Put pictures of one height side by side, with white gaps."""
    gap = np.full((pictures[0].shape[0], _GAP, 3), 255, np.uint8)
    return np.hstack([part for shown in pictures for part in (gap, shown)][1:])


def _method(array: NDArray[np.generic], size: tuple[int, int], enlarges: int) -> int:
    return cv2.INTER_AREA if size[0] < array.shape[1] or size[1] < array.shape[0] else enlarges
