"""Thresholds without defects: from the scores of held-out normal images alone, for a stated rate of false alarms."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

_IMAGES = 10  # fewer say nothing of how images differ


class TooFewNormalsError(ValueError):
    """The rate asked for cannot be told from so few normal images; the message says how many it needs."""


class Threshold(NamedTuple):
    """Scores above `value` count as anomalous."""

    value: float
    interval: tuple[float, float] | None
    """Between which the true rate of false alarms lies, with the confidence asked for; None where it cannot be said."""
    normals: int
    """How many normal images it comes from."""


class Thresholds:
    """Finds the thresholds that keep to a rate of false alarms.

    Args:
        image_rate: share of normal images that may be called anomalous, in (0, 1).
        pixel_rate: share of the pixels of normal images that may be, in (0, 1).
        confidence: of the intervals, in (0, 1).

    Raises:
        ValueError: an argument lies outside its domain.
    """

    def __init__(self, image_rate: float = 0.05, pixel_rate: float = 0.001, confidence: float = 0.95) -> None:
        for name, value in (("image_rate", image_rate), ("pixel_rate", pixel_rate), ("confidence", confidence)):
            if not 0 < value < 1:
                raise ValueError(f"{name} (={value}) must lie between 0 and 1; 0.05 is one in twenty")
        self.image_rate, self.pixel_rate, self.confidence = image_rate, pixel_rate, confidence

    def image(self, score: NDArray[np.float32]) -> Threshold:
        """Find the threshold for images: of n scores all but the `⌊rate · (n + 1)⌋ - 1` highest lie at or below it.

        If the next normal image is exchangeable with these n, it exceeds the j-th highest of them with a probability
        that is distributed as Beta(j, n + 1 - j), of mean j / (n + 1) (Wilks 1941; split conformal prediction).

        Args:
            score: `(n,)`, of normal images that took no part in training.

        Raises:
            TooFewNormalsError: fewer than 1 / rate - 1 images.

        Examples:
            >>> found = Thresholds(image_rate=0.05).image(np.arange(40, dtype=np.float32))
            >>> found.value, found.normals  # one of the forty scores lies above it
            (38.0, 40)
        """
        count = len(score)
        above = math.floor(self.image_rate * (count + 1) + 1e-9)  # 0.05 · 20 must be 1
        if above < 1:
            needed = math.ceil(1 / self.image_rate - 1 - 1e-9)
            raise TooFewNormalsError(
                f"image_rate (={self.image_rate}) needs at least {needed} held-out normal images, there are {count}; "
                "hold out more, calibrate on images of their own or over folds, or ask for a larger rate"
            )
        tail = (1 - self.confidence) / 2
        low, high = stats.beta(above, count + 1 - above).ppf([tail, 1 - tail])
        value = np.partition(score, count - above)[count - above]
        return Threshold(float(value), (float(low), float(high)), count)

    def pixel(self, anomaly_map: Tensor, content: Tensor) -> Threshold:
        """Find the threshold for pixels.

        Args:
            anomaly_map: `(n, 1, H, W)`, of normal images that took no part in training.
            content: same shape, bool; False where an image was padded.

        Returns:
            an approximate interval by Student's t: the pixels of an image depend on each other, so that an image is a
            draw, its share of pixels above the threshold of all others. None for fewer than ten images, as two that
            are alike say nothing of a third.

        Raises:
            TooFewNormalsError: fewer than two images, or fewer than 1 / rate pixels.
        """
        count, size = len(anomaly_map), int(content.sum())
        above = math.floor(self.pixel_rate * size + 1e-9)
        if count < 2 or above < 1:
            needed = max(2, math.ceil(1 / self.pixel_rate / max(1, size / max(1, count))))
            raise TooFewNormalsError(
                f"pixel_rate (={self.pixel_rate}) needs at least {needed} held-out normal images, there are {count}; "
                "hold out more, calibrate on images of their own or over folds, or ask for a larger rate"
            )
        # numpy, because torch would index every pixel by four numbers, which is eight times the maps.
        pixels = anomaly_map.numpy()[content.numpy()]
        value = self._quantile(pixels)
        if count < _IMAGES:
            return Threshold(value, None, count)
        levels = self._levels_of_others(pixels, content.flatten(1).sum(dim=1).numpy())
        share = [
            float((one[inside] > level).double().mean())
            for one, inside, level in zip(anomaly_map, content, levels, strict=True)
        ]
        half = stats.t(count - 1).ppf((1 + self.confidence) / 2) * np.std(share, ddof=1) / math.sqrt(count)
        mean = float(np.mean(share))
        return Threshold(value, (max(0.0, mean - float(half)), min(1.0, mean + float(half))), count)

    def _levels_of_others(self, pixels: NDArray[np.float32], sizes: NDArray[np.int64]) -> Iterator[float]:
        """For each image the threshold of all others, from the highest pixels of all, which are sorted once."""
        size = int(sizes.sum())
        enough = min(size, math.floor(self.pixel_rate * size + 1e-9) + 1 + int(sizes.max()))
        (places,) = np.nonzero(pixels >= np.partition(pixels, size - enough)[size - enough])
        places = places[np.argsort(-pixels[places])]
        values, owner = pixels[places], np.searchsorted(sizes.cumsum(), places, side="right")
        for i in range(len(sizes)):
            above = math.floor(self.pixel_rate * (size - int(sizes[i])) + 1e-9)
            yield float(values[owner != i][above])

    def _quantile(self, pixels: NDArray[np.float32]) -> float:
        rank = max(0, pixels.size - math.floor(self.pixel_rate * pixels.size + 1e-9) - 1)
        return float(np.partition(pixels, rank)[rank])


def exceeding(value: NDArray[np.float32] | Tensor, threshold: float | None) -> float | None:
    """Share of values above a threshold; None where one or the other is missing."""
    above = torch.as_tensor(value) > (math.inf if threshold is None else threshold)
    return None if threshold is None or above.numel() == 0 else float(above.double().mean())
