"""The vocabulary that every floor shares; imports nothing of fae."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Generator, Tensor


class Batch(NamedTuple):
    """What a training or validation step sees; images are in [0, 1], but for the noise anchor's noise."""

    clean: Tensor
    """`(B, 3, H, W)`, the target X."""
    corrupted: Tensor
    """`(B, 3, H, W)`, the input X̂."""
    corruption_mask: Tensor
    """`(B, 1, H, W)`, M: 0 = untouched, 1 = fully replaced, soft in between."""


class Images(NamedTuple):
    """What prediction sees: images as stored, and which samples they are."""

    image: Tensor
    """`(B, 3, H, W)`, in [0, 1]."""
    sample: Tensor
    """`(B,)` int64, positions in the split that is predicted."""


class Losses(NamedTuple):
    """An objective's value and its parts, each a scalar averaged over the batch."""

    total: Tensor
    """What is minimised."""
    normal: Tensor
    """The weighted term over the untouched region, >= 0."""
    corrupted: Tensor
    """The weighted term over the corrupted region, >= 0; filter adds it, amplify subtracts it."""


class Objective(Protocol):
    """A training objective; one that weighs two terms calls its weight `lam`, the paper's λ."""

    def __call__(self, reconstruction: Tensor, clean: Tensor, corrupted: Tensor, corruption_mask: Tensor) -> Losses:
        """Images are `(B, 3, H, W)` in [0, 1], the mask `(B, 1, H, W)` in [0, 1]."""
        ...


class Corruption(Protocol):
    """Synthetic local damage."""

    name: str

    def __call__(self, image: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Damage every image of a batch differently.

        Args:
            image: `(B, 3, H, W)`, in [0, 1], on the training device.
            generator: a CPU generator, the only source of randomness.

        Returns:
            `corrupted` `(B, 3, H, W)` in [0, 1] and `corruption_mask` `(B, 1, H, W)` in [0, 1];
            they satisfy `corrupted == image` where the mask is 0.
        """
        ...


class Residual(Protocol):
    """Compares images with their reconstructions, pixel by pixel."""

    name: str

    def __call__(self, image: Tensor, reconstruction: Tensor) -> Tensor:
        """`(B, 3, H, W)` both, in [0, 1], to `(B, 1, H, W)`, >= 0; higher means more anomalous."""
        ...


class PixelMetric(Protocol):
    """A measure of anomaly maps against ground truth, beside those of `fae.metric.pixel`."""

    def __call__(
        self, anomaly_map: NDArray[np.float32], mask: NDArray[np.bool_], judged: NDArray[np.bool_]
    ) -> float | None:
        """`(N, H, W)` each; pixels that are not `judged` do not count. None where it is undefined."""
        ...


class ImageScore(Protocol):
    """Reduces anomaly maps to one number an image."""

    name: str
    level: float | None
    """All that `calibrate` learns; None before, and where there is nothing to learn."""

    def calibrate(self, anomaly_map: Tensor) -> None:
        """Take what is needed from the maps `(N, 1, H, W)` of held-out normal images."""
        ...

    def __call__(self, anomaly_map: Tensor) -> Tensor:
        """`(B, 1, H, W)` to `(B,)`; higher means more anomalous."""
        ...
