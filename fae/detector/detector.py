from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fae.data.fit import content_size, fit, fit_mask
from fae.data.roi import Region
from fae.image import Array, ReadImage
from fae.score.percent import anomaly_percent, percent_width
from fae.score.score import Score, image_scores

SIZES = ("run", "native")
Given = NDArray[np.uint8] | NDArray[np.bool_]
"""A region of interest `(H, W)` that a caller gives; values above 0 are judged."""

_LEAST_SHARE = 1e-3


class Detection(NamedTuple):
    """The result of a detector for one image."""

    anomaly_map: NDArray[np.float32]
    """`(H, W)` map in the image's own pixels; higher means more anomalous, and 0 outside a region of interest."""
    score: float
    anomalous: bool | None
    """Whether the score exceeds the threshold for images; None if there is no threshold."""
    mask: NDArray[np.bool_] | None
    """`(H, W)` mask, True where the map exceeds the threshold for pixels; None if there is no threshold."""


class _Judged(NamedTuple):
    """A region of interest of an image."""

    own: Region
    """`(H, W)` in the image's own pixels."""
    fitted: Region
    """`(height, width)` of the image as the network sees it, without padding."""


class Detector:
    """Scores single images like the run that it comes from scored its test images.

    Args:
        levels: function from images `(B, 3, H, W)` in [0, 1], and their regions of interest `(B, 1, H, W)` bool if
            there are any, to their levels `(B, L, h, w)`, see `fae.network`; it must accept any size.
        score: calibrated score.
        image_size: `(height, width)` in pixels that the run's images were brought to.
        aspect: way in which the run's images were resized, see `fae.data.fit.fit`; None if they kept their size.
        thresholds: thresholds for image scores and for pixels. There is no decision if a threshold is None, or if
            `size` is "native" and the run's images were resized.
        colour_limit: map value of the brightest colour in pictures.
        identity: sixteen hexadecimal digits of all that the detector was loaded from.
        size: "run", which brings images to the run's size, or "native", which takes them as they are.
        read: decoder of image files, with the run's bit depth.
        normals: `(n,)` rising scores of the held-out normal images; None if they are unknown.
        roi: `(height, width)` bool, the region of interest of all images at the run's size; None judges whole images.

    Raises:
        ValueError: `size` is unknown, or it is "native" although the score holds an average map.
    """

    def __init__(
        self,
        levels: Callable[..., Tensor],
        score: Score,
        image_size: tuple[int, int],
        aspect: str | None,
        thresholds: tuple[float | None, float | None],
        colour_limit: float,
        identity: str,
        size: str = "run",
        read: ReadImage | None = None,
        normals: NDArray[np.float32] | None = None,
        roi: Region | None = None,
    ) -> None:
        if size not in SIZES:
            raise ValueError(f"size (={size!r}) must be run, the size of training, or native, the image's own size")
        if size == "native" and score.damping is not None:
            raise ValueError(
                f"size (={size}) needs score.t = 0 (it is {score.t:g}), because the average map has the run's size; "
                "evaluate the run with score.t=0 and name that evaluation"
            )
        self.levels, self.score, self.image_size = levels, score, image_size
        self.aspect, self.size, self.colour_limit = aspect, size, colour_limit
        self.identity = identity
        self.read = ReadImage() if read is None else read
        # Another scale changes maps and their sums: thresholds only hold at the scale at which they were found.
        self.rescaled = size == "native" and aspect is not None
        self.image_threshold, self.pixel_threshold = (None, None) if self.rescaled else thresholds
        self.normals = None if self.rescaled else normals
        self.roi = roi
        self._width = None if self.normals is None else percent_width(self.normals, thresholds[0])

    def percent(self, score: float) -> float | None:
        """Return a score as a figure from 0 to 100, which is 50 at `image_threshold`, see `fae.score.percent`.

        With a threshold that you set the curve moves, and keeps its width. None without a threshold, for a run that
        has not kept the scores of its normal images, and with size="native" where the run's images were resized.
        """
        return anomaly_percent(score, self.image_threshold, self._width)

    def __call__(self, image: Array | Path | str, roi: Given | None = None) -> Detection:
        """Score one image.

        Args:
            image: path of an image file, or uint8 array `(H, W, 3)` in RGB or `(H, W)` in grey.
            roi: region of interest of this image, `(H, W)` uint8 or bool, in place of the run's; values above 0 are
                judged. None takes the run's own, or the whole image if the run has none for all images.

        Raises:
            ValueError: the file is no image, the image has an unsuitable shape, size or type, the region has another
                size or marks no pixel, or the map holds NaN.
        """
        (found,) = self.batch([self.read(Path(image)).rgb if isinstance(image, str | Path) else image], [roi])
        return found

    def batch(self, images: Sequence[Array], rois: Sequence[Given | None] | None = None) -> list[Detection]:
        """Score several images together, which is faster than one by one; the scores may differ by rounding.

        Args:
            images: uint8 arrays `(H, W, 3)` in RGB or `(H, W)` in grey; with size="run" their sizes may differ, with
                "native" they must be equal.
            rois: a region of interest for each image, or None, see `__call__`.

        Raises:
            ValueError: an image has an unsuitable shape, size or type, a region has another size or marks no pixel, or
                a map holds NaN.
        """
        pixels = [_as_rgb(image) for image in images]
        fitted, contents = zip(*(self._fit(one) for one in pixels), strict=True)
        if len({one.shape for one in fitted}) > 1:
            raise ValueError(f"images have {len({one.shape for one in fitted})} sizes; score each size by itself")
        batch = torch.from_numpy(np.stack(fitted))
        inside = torch.zeros(len(batch), 1, *batch.shape[1:3], dtype=torch.bool)
        for one, (height, width) in zip(inside, contents, strict=True):
            one[..., :height, :width] = True
        regions = [
            self._region(roi, image.shape[:2], content)
            for roi, image, content in zip(rois or [None] * len(pixels), pixels, contents, strict=True)
        ]
        for one, region, (height, width) in zip(inside[:, 0], regions, contents, strict=True):
            if region is not None:
                one[:height, :width] = torch.from_numpy(region.fitted)
        maps, scores = self.judge(batch, inside, any(region is not None for region in regions))
        if maps.isnan().any():
            raise ValueError("the map holds NaN; look for NaN in the weights")
        return [
            self._detection(one[0, :height, :width].numpy(), float(score), region, image.shape[:2])
            for one, score, (height, width), region, image in zip(maps, scores, contents, regions, pixels, strict=True)
        ]

    def judge(self, image: Tensor, inside: Tensor, by_region: bool) -> tuple[Tensor, Tensor]:
        """Return the maps `(B, 1, H, W)` and the scores `(B,)` of images that have the size of the network's input.

        Args:
            image: `(B, H, W, 3)` uint8 images.
            inside: `(B, 1, H, W)` bool, the pixels that are judged.
            by_region: whether `inside` leaves out more than padding.
        """
        pixels, roi = image.permute(0, 3, 1, 2).float() / 255, inside if by_region else None
        levels = self.levels(pixels) if roi is None else self.levels(pixels, roi)
        maps = self.score.anomaly_map(self.score.combined(levels, pixels.shape[-2:], roi), roi) * inside
        return maps, image_scores(self.score.image_score, maps, inside)

    def _detection(
        self, anomaly_map: NDArray[np.float32], score: float, region: _Judged | None, size: tuple[int, ...]
    ) -> Detection:
        anomaly_map = resized(anomaly_map, size)
        if region is not None:
            # Zeros outside must not lower the map along the border.
            share = resized(region.fitted.astype(np.float32), size)
            anomaly_map = np.where(region.own, anomaly_map / np.maximum(share, _LEAST_SHARE), np.float32(0))
        return Detection(
            anomaly_map,
            score,
            None if self.image_threshold is None else score > self.image_threshold,
            None if self.pixel_threshold is None else anomaly_map > self.pixel_threshold,
        )

    def _region(self, given: Given | None, size: tuple[int, int], content: tuple[int, int]) -> _Judged | None:
        if given is None:
            if self.roi is None:
                return None
            height, width = content_size(size, self.image_size, self.aspect or "stretch")  # the rest is padding
            fitted = self.roi[:height, :width]
            own = fit_mask(fitted, size, "stretch")
            fitted = own if self.size == "native" else fitted
        elif given.shape != size:
            raise ValueError(
                f"roi (shape {given.shape}) must have the height and width of its image, {size[0]}×{size[1]}; draw it "
                "on the image"
            )
        else:
            own = np.asarray(given, np.bool_)
            fitted = fit_mask(own, content, "stretch")
        if not fitted.any():
            raise ValueError(
                f"the region of interest marks no pixel of an image of {size[0]}×{size[1]} pixels; values above 0 are "
                "judged, so mark some"
            )
        return _Judged(own, fitted)

    def _fit(self, pixels: Array) -> tuple[Array, tuple[int, int]]:
        height, width = pixels.shape[:2]
        if self.size == "native":
            return pixels, (height, width)
        if self.aspect is None and (height, width) != self.image_size:
            raise ValueError(
                f"the image has {height}×{width} pixels, but the images of training have {self.image_size[0]}×"
                f"{self.image_size[1]} and were not resized; bring the image to that size, or use size=native if its "
                "pixels have the scale of the training images"
            )
        return fit(pixels, self.image_size, self.aspect or "stretch")


def _as_rgb(image: Array) -> Array:
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise ValueError(
            f"image (shape {image.shape}, {image.dtype}) must be uint8, (height, width, 3) in RGB or (height, width) "
            "in grey; convert it first"
        )
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image


def resized(anomaly_map: NDArray[np.float32], size: tuple[int, ...]) -> NDArray[np.float32]:
    """Bring a map `(h, w)` to the `(height, width)` of the image's own pixels."""
    if anomaly_map.shape == size:
        return anomaly_map
    shrinks = size[0] < anomaly_map.shape[0] and size[1] < anomaly_map.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(anomaly_map, (size[1], size[0]), interpolation=method), dtype=np.float32)
