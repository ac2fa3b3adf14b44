from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fae.data.fit import fit
from fae.image import Array, ReadImage
from fae.score.score import Score, image_scores

SIZES = ("run", "native")


class Detection(NamedTuple):
    """The result of a detector for one image."""

    anomaly_map: NDArray[np.float32]
    """`(H, W)` map in the image's own pixels; higher means more anomalous."""
    score: float
    anomalous: bool | None
    """Whether the score exceeds the threshold for images; None if there is no threshold."""
    mask: NDArray[np.bool_] | None
    """`(H, W)` mask, True where the map exceeds the threshold for pixels; None if there is no threshold."""


class Detector:
    """Scores single images like the run that it comes from scored its test images.

    Args:
        levels: function from images `(B, 3, H, W)` in [0, 1] to their levels `(B, L, h, w)`, see `fae.network`; it must
            accept any size.
        score: calibrated score.
        image_size: `(height, width)` in pixels that the run's images were brought to.
        aspect: way in which the run's images were resized, see `fae.data.fit.fit`; None if they kept their size.
        thresholds: thresholds for image scores and for pixels. There is no decision if a threshold is None, or if
            `size` is "native" and the run's images were resized.
        colour_limit: map value of the brightest colour in pictures.
        identity: sixteen hexadecimal digits of all that the detector was loaded from.
        size: "run", which brings images to the run's size, or "native", which takes them as they are.
        read: decoder of image files, with the run's bit depth.

    Raises:
        ValueError: `size` is unknown, or it is "native" although the score holds an average map.
    """

    def __init__(
        self,
        levels: Callable[[Tensor], Tensor],
        score: Score,
        image_size: tuple[int, int],
        aspect: str | None,
        thresholds: tuple[float | None, float | None],
        colour_limit: float,
        identity: str,
        size: str = "run",
        read: ReadImage | None = None,
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

    def __call__(self, image: Array | Path | str) -> Detection:
        """Score one image.

        Args:
            image: path of an image file, or uint8 array `(H, W, 3)` in RGB or `(H, W)` in grey.

        Raises:
            ValueError: the file is no image, the image has an unsuitable shape, size or type, or the map holds NaN.
        """
        (found,) = self.batch([self.read(Path(image)).rgb if isinstance(image, str | Path) else image])
        return found

    def batch(self, images: Sequence[Array]) -> list[Detection]:
        """Score several images together, which is faster than one by one; the scores may differ by rounding.

        Args:
            images: uint8 arrays `(H, W, 3)` in RGB or `(H, W)` in grey; with size="run" their sizes may differ, with
                "native" they must be equal.

        Raises:
            ValueError: an image has an unsuitable shape, size or type, or a map holds NaN.
        """
        pixels = [_as_rgb(image) for image in images]
        fitted, contents = zip(*(self._fit(one) for one in pixels), strict=True)
        if len({one.shape for one in fitted}) > 1:
            raise ValueError(f"images have {len({one.shape for one in fitted})} sizes; score each size by itself")
        batch = torch.from_numpy(np.stack(fitted)).permute(0, 3, 1, 2).float() / 255
        size = batch.shape[-2:]
        inside = torch.zeros(len(batch), 1, *size, dtype=torch.bool)
        for one, (height, width) in zip(inside, contents, strict=True):
            one[..., :height, :width] = True
        maps = self.score.anomaly_map(self.score.combined(self.levels(batch), size)) * inside
        if maps.isnan().any():
            raise ValueError("the map holds NaN; look for NaN in the weights")
        scores = image_scores(self.score.image_score, maps, inside)
        return [
            self._detection(one[0, :height, :width].numpy(), float(score), image.shape[:2])
            for one, score, (height, width), image in zip(maps, scores, contents, pixels, strict=True)
        ]

    def _detection(self, anomaly_map: NDArray[np.float32], score: float, size: tuple[int, ...]) -> Detection:
        anomaly_map = resized(anomaly_map, size)
        return Detection(
            anomaly_map,
            score,
            None if self.image_threshold is None else score > self.image_threshold,
            None if self.pixel_threshold is None else anomaly_map > self.pixel_threshold,
        )

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
