"""What scores images: the detector of a run, or that of an exported folder."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fae.detector import Detector, load
from fae.image import Array
from fae.machine.extra import MissingExtraError
from fae.run.folder import METRICS, finished_config
from fae_runtime import Detector as Exported

_OWN, _SEEN = 2**24, 2**19
"""The most pixels of a batch: as files hold them, and as the network sees them; one image may have more."""


class Found(Protocol):
    """What was found in one image, see `fae.detector.Detection`."""

    @property
    def anomaly_map(self) -> NDArray[np.float32]:
        """`(H, W)` map in the image's own pixels."""

    @property
    def score(self) -> float:
        """The image score."""

    @property
    def anomalous(self) -> bool | None:
        """The decision; None without a threshold for images."""

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """`(H, W)` mask; None without a threshold for pixels."""


class Scorer(Protocol):
    """Scores images; several threads may call it at once."""

    identity: str
    """Sixteen hexadecimal digits of all that it was loaded from."""
    colour_limit: float
    """The map value of the brightest colour in pictures."""
    thresholds: dict[str, float | None]
    """The thresholds by "image" and "pixel"."""
    one_size: bool
    """Whether the images of a batch must have one size."""
    unbounded: bool
    """Whether whole images are judged, although each image of training had a region of interest."""

    def read(self, path: Path) -> Array:
        """Decode a file to RGB `(H, W, 3)`, see `fae.image.ReadImage`."""

    def batch(self, images: Sequence[Array]) -> Sequence[Found]:
        """Score images together, see `fae.detector.Detector.batch`."""

    def share(self, image: Array) -> float:
        """Return the share of a batch that an image fills, > 0; the images of a batch fill no more than 1."""

    def percent(self, score: float) -> float | None:
        """Return a score as people read it, in [0, 100]; None without a threshold."""

    def undefined(self, kind: str) -> str:
        """Return why there is no threshold of a kind, "image" or "pixel", and what helps."""


class RunScorer:
    """A finished run, see `fae.detector.load` for the arguments."""

    def __init__(
        self,
        folder: Path,
        thresholds: dict[str, float | None],
        evaluation: str | None,
        size: str,
        tile: int | None,
        overlap: int | None,
        device: str,
    ) -> None:
        self.detector: Detector = load(folder, evaluation, size, tile, overlap, device)
        self.folder, self.evaluation = folder, evaluation
        self.thresholds = _set(self.detector, thresholds)
        self.identity, self.colour_limit = self.detector.identity, self.detector.colour_limit
        self.one_size = size == "native"
        self.unbounded = finished_config(folder).data.get("roi") is not None and self.detector.roi is None

    def read(self, path: Path) -> Array:
        """See `Scorer.read`."""
        return self.detector.read(path).rgb

    def batch(self, images: Sequence[Array]) -> Sequence[Found]:
        """See `Scorer.batch`."""
        return self.detector.batch(images)

    def share(self, image: Array) -> float:
        """See `Scorer.share`."""
        return _share(image, None if self.one_size else self.detector.image_size)

    def percent(self, score: float) -> float | None:
        """See `Scorer.percent`."""
        return self.detector.percent(score)

    def undefined(self, kind: str) -> str:
        """See `Scorer.undefined`."""
        if self.detector.rescaled:
            return "the run's threshold is for resized images, and does not hold with size=native"
        own = self.evaluation is None
        path = self.folder / METRICS if own else self.folder / "evaluation" / f"{self.evaluation}.json"
        metrics = json.loads(path.read_text()) if path.is_file() else {}
        return str(metrics.get(f"{kind}_threshold_undefined", "the run has no threshold"))


class ExportScorer:
    """A folder that `fae.export` wrote, on the engine that the light runtime chooses.

    Args:
        folder: the exported folder.
        thresholds: thresholds by kind that take the place of its own; None keeps its own.
        threads: number of threads of the engine for each call.

    Raises:
        MissingExtraError: the engine is not installed.
        ValueError: the folder is no sound export.
    """

    def __init__(self, folder: Path, thresholds: dict[str, float | None], threads: int) -> None:
        try:
            self.detector = Exported.load(folder, threads=threads)
        except ImportError as error:
            raise MissingExtraError(str(error)) from error  # the message says what to install
        self.metadata = self.detector.metadata
        self.thresholds = _set(self.detector, thresholds)
        self.identity, self.colour_limit = self.detector.identity, self.detector.colour_limit
        self.one_size = self.metadata["image"]["size"] == "native"
        self.unbounded = self.metadata["image"]["roi"] == "each"

    def read(self, path: Path) -> Array:
        """See `Scorer.read`."""
        return self.detector.read(path)

    def batch(self, images: Sequence[Array]) -> Sequence[Found]:
        """See `Scorer.batch`."""
        return self.detector.batch(images)

    def share(self, image: Array) -> float:
        """See `Scorer.share`."""
        facts = self.metadata["image"]
        return _share(image, None if self.one_size else (facts["height"], facts["width"]))

    def percent(self, score: float) -> float | None:
        """See `Scorer.percent`."""
        return self.detector.percent(score)

    def undefined(self, kind: str) -> str:
        """See `Scorer.undefined`."""
        return str(self.metadata["thresholds"].get(f"{kind}_undefined") or "the export has no threshold")


def _set(detector: Detector | Exported, thresholds: dict[str, float | None]) -> dict[str, float | None]:
    """Set the thresholds that are given, and return those that hold."""
    for kind, value in thresholds.items():
        if value is not None:
            setattr(detector, f"{kind}_threshold", float(value))
    return {kind: getattr(detector, f"{kind}_threshold") for kind in thresholds}


def _share(image: Array, seen: tuple[int, int] | None) -> float:
    own: int = image.shape[0] * image.shape[1]
    return max(own / _OWN, (own if seen is None else seen[0] * seen[1]) / _SEEN)
