"""Thresholds for a stated rate of false alarms, from held-out normal images alone; no defect is needed."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

_IMAGES = 10  # fewer images do not show how much images differ


class TooFewNormalsError(ValueError):
    """The normal images are too few for the requested rate; the message says how many are needed."""


class Threshold(NamedTuple):
    """Scores above `value` count as anomalous."""

    value: float
    interval: tuple[float, float] | None
    """Bounds of the true rate of false alarms at the requested confidence; None if they cannot be determined."""
    normals: int
    """The number of normal images that the threshold comes from."""


class Thresholds:
    """Finds thresholds that keep to a rate of false alarms.

    Args:
        image_rate: share of normal images that may be called anomalous, in (0, 1).
        pixel_rate: share of the pixels of normal images that may be called anomalous, in (0, 1).
        confidence: confidence level of the intervals, in (0, 1).

    Raises:
        ValueError: an argument lies outside its domain.
    """

    def __init__(self, image_rate: float = 0.05, pixel_rate: float = 0.001, confidence: float = 0.95) -> None:
        for name, value in (("image_rate", image_rate), ("pixel_rate", pixel_rate), ("confidence", confidence)):
            if not 0 < value < 1:
                raise ValueError(f"{name} (={value}) must lie between 0 and 1; 0.05 is one in twenty")
        self.image_rate, self.pixel_rate, self.confidence = image_rate, pixel_rate, confidence

    def image(self, score: NDArray[np.float32]) -> Threshold:
        """Find the threshold for images: all but the `⌊rate · (n + 1)⌋ - 1` highest of n scores lie at or below it.

        If the next normal image is exchangeable with these n images, the probability that its score exceeds the j-th
        highest score follows Beta(j, n + 1 - j), whose mean is j / (n + 1) (Wilks 1941; split conformal prediction).

        Args:
            score: `(n,)` scores of normal images that took no part in training.

        Raises:
            TooFewNormalsError: there are fewer than 1 / rate - 1 images.

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
                "hold out more (data.val_fraction), calibrate on other images or over folds, or ask for a larger rate"
            )
        tail = (1 - self.confidence) / 2
        low, high = stats.beta(above, count + 1 - above).ppf([tail, 1 - tail])
        value = np.partition(score, count - above)[count - above]
        return Threshold(float(value), (float(low), float(high)), count)

    def pixel(self, anomaly_map: Tensor, content: Tensor) -> Threshold:
        """Find the threshold for pixels.

        Args:
            anomaly_map: `(n, 1, H, W)` maps of normal images that took no part in training.
            content: bool tensor with the shape of `anomaly_map`; False where an image was padded.

        Returns:
            the threshold, with an approximate interval by Student's t. The pixels of an image depend on each other, so
            one image is one sample: its share of pixels above the threshold that all other images give. The interval
            is None for fewer than ten images, because a few images that happen to be alike say nothing of the next.

        Raises:
            TooFewNormalsError: there are fewer than two images, or fewer than 1 / rate pixels.
        """
        count, size = len(anomaly_map), int(content.sum())
        above = math.floor(self.pixel_rate * size + 1e-9)
        if count < 2 or above < 1:
            needed = max(2, math.ceil(1 / self.pixel_rate / max(1, size / max(1, count))))
            raise TooFewNormalsError(
                f"pixel_rate (={self.pixel_rate}) needs at least {needed} held-out normal images, there are {count}; "
                "hold out more (data.val_fraction), calibrate on other images or over folds, or ask for a larger rate"
            )
        # NumPy, because torch would index every pixel by four numbers, which take eight times the memory of the maps.
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
        """Yield for each image the threshold of all other images; the highest pixels of all images are sorted once."""
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
    """Return the share of values above a threshold; None if there is no value or no threshold."""
    above = torch.as_tensor(value) > (math.inf if threshold is None else threshold)
    return None if threshold is None or above.numel() == 0 else float(above.double().mean())
