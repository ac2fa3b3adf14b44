"""The vocabulary that all packages share; this module imports nothing of fae."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Generator, Tensor


class Batch(NamedTuple):
    """The input of a training or validation step; images are in [0, 1], apart from the noise of the noise anchor.

    In another space than that of the pixels, `(3, H, W)` becomes the space's own `(C, h, w)`.
    """

    clean: Tensor
    """`(B, 3, H, W)` targets X."""
    corrupted: Tensor
    """`(B, 3, H, W)` inputs X̂."""
    corruption_mask: Tensor
    """`(B, 1, H, W)` masks M: 0 = untouched, 1 = fully replaced, partly replaced in between."""
    roi: Tensor | None = None
    """`(B, 1, H, W)` bool regions of interest, False where nothing counts; None if all counts."""

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """The parts that are there."""
        return tuple(part for part in self if part is not None)

    def each(self, function: Callable[[Tensor], Tensor]) -> "Batch":
        """Apply a function to every part that is there."""
        return Batch(*map(function, self.parts))


class Images(NamedTuple):
    """The input of a prediction: images as stored, and their positions."""

    image: Tensor
    """`(B, 3, H, W)` images in [0, 1]."""
    sample: Tensor
    """`(B,)` int64 positions in the split that is predicted."""
    roi: Tensor | None = None
    """`(B, 1, H, W)` bool regions of interest; None if all counts."""


class Losses(NamedTuple):
    """The value of an objective and its parts; each is a scalar, averaged over the batch."""

    total: Tensor
    """The value that is minimised."""
    normal: Tensor
    """The weighted term over the untouched region, >= 0."""
    corrupted: Tensor
    """The weighted term over the corrupted region, >= 0; the objective filter adds it, amplify subtracts it."""


class Objective(Protocol):
    """A training objective; if it weighs two terms, its weight is named `lam`, the paper's λ."""

    def __call__(
        self,
        reconstruction: Tensor,
        clean: Tensor,
        corrupted: Tensor,
        corruption_mask: Tensor,
        roi: Tensor | None = None,
    ) -> Losses:
        """Return the losses of images `(B, 3, H, W)` in [0, 1] with a mask `(B, 1, H, W)` in [0, 1].

        Where `roi`, `(B, 1, H, W)` bool, is False, no pixel changes a loss; without regions it is not passed.
        """
        ...


class Corruption(Protocol):
    """Synthetic local damage."""

    name: str

    def __call__(self, image: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Damage every image of a batch differently.

        Args:
            image: `(B, 3, H, W)` images in [0, 1], on the training device.
            generator: CPU generator, the only source of randomness.

        Returns:
            `corrupted` `(B, 3, H, W)` in [0, 1] and `corruption_mask` `(B, 1, H, W)` in [0, 1];
            they satisfy `corrupted == image` where the mask is 0.
        """
        ...


class Residual(Protocol):
    """Compares images, or the channels of one level of features, with their reconstructions, pixel by pixel."""

    name: str

    def __call__(self, image: Tensor, reconstruction: Tensor, roi: Tensor | None = None) -> Tensor:
        """Return residuals `(B, 1, H, W)`, >= 0, of two `(B, C, H, W)`; higher means more anomalous.

        Where `roi`, `(B, 1, H, W)` bool, is False, no pixel changes the residual of another one, and the residual is
        arbitrary; without regions it is not passed.
        """
        ...


class Rule(Protocol):
    """Makes one map of the levels of a space and of its head, which score images only together."""

    name: str
    learned: Tensor | None
    """What `calibrate` learns; None before calibration, and for a rule that learns nothing."""

    def calibrate(self, levels: Tensor, names: Sequence[str]) -> None:
        """Learn from the levels `(N, L, h, w)` of held-out normal images, and from the names of the L levels."""
        ...

    def __call__(self, levels: Tensor) -> Tensor:
        """Return one map `(B, 1, h, w)`, >= 0, of levels `(B, L, h, w)`, >= 0; higher means more anomalous."""
        ...


class PixelMetric(Protocol):
    """A measure of anomaly maps against ground truth, in addition to those of `fae.metric.pixel`."""

    def __call__(
        self, anomaly_map: NDArray[np.float32], mask: NDArray[np.bool_], judged: NDArray[np.bool_]
    ) -> float | None:
        """Return the measure of `(N, H, W)` arrays over the `judged` pixels; None if it is undefined."""
        ...


class ImageScore(Protocol):
    """Reduces the anomaly map of each image to one number."""

    name: str
    level: float | None
    """The value that `calibrate` learns; None before calibration, and for a score that learns nothing."""

    def calibrate(self, anomaly_map: Tensor) -> None:
        """Learn `level` from the maps `(N, 1, H, W)` of held-out normal images."""
        ...

    def __call__(self, anomaly_map: Tensor) -> Tensor:
        """Return scores `(B,)` of maps `(B, 1, H, W)`; higher means more anomalous."""
        ...
