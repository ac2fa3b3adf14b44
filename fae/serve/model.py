import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fae.detector import Detector, load
from fae.image import Array
from fae.machine.extra import MissingExtraError
from fae.run.folder import CONFIG, METRICS
from fae_runtime import Detector as Exported

_METADATA = "metadata.json"


class Found(Protocol):
    """The result of a detector for one image: that of `fae.detector`, or that of the light runtime."""

    @property
    def anomaly_map(self) -> NDArray[np.float32]:
        """`(H, W)` map in the image's own pixels, >= 0."""

    @property
    def score(self) -> float:
        """Higher means more anomalous."""

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """`(H, W)` mask, True where the map exceeds the threshold for pixels; None if there is no threshold."""


@dataclass(frozen=True)
class Model:
    """A detector as the page needs it, whether it comes from a run or from an exported folder."""

    name: str
    """The name of the folder that it comes from, without the folders above it."""
    read: Callable[[Path], Array]
    """Decoder of image files to `(H, W, 3)` RGB, which raises ValueError for a file that is no image."""
    detect: Callable[[Array], Found]
    colour_limit: float
    """The map value of the brightest colour."""
    threshold: float | None
    """The score above which images are anomalous; None if there is no threshold."""
    undefined: str
    """The reason why there is no threshold."""
    normals: NDArray[np.float64]
    """The scores of held-out normal images, sorted; empty if the folder holds none."""
    own_percent: Callable[[float], float | None]
    """Percent for a score: 50 at the model's own threshold."""

    def percent(self, score: float, threshold: float | None) -> float | None:
        """Return the percent of a score, 50 at a given threshold; None if it or the model's threshold is None.

        Percent is a function of the distance to the threshold, so that it moves along with the threshold.
        """
        if self.threshold is None or threshold is None:
            return None
        return self.own_percent(score - threshold + self.threshold)

    def false_alarms(self, threshold: float) -> int:
        """Return the number of held-out normal images with a score above a threshold."""
        return int((self.normals > threshold).sum())


def load_model(folder: Path, evaluation: str | None = None) -> Model:
    """Load a run's folder, or an exported folder by the light runtime.

    Args:
        folder: path of the folder.
        evaluation: name of an evaluation of the run whose k, n, t and thresholds are used; None takes the run's own.

    Raises:
        ValueError: the folder is neither, or the run or the export is damaged or of another version.
        FileNotFoundError: the evaluation does not exist.
        MissingExtraError: the engine that runs an export is not installed.
    """
    if (folder / _METADATA).is_file():
        if evaluation is not None:
            raise ValueError(
                f"evaluation (={evaluation}) belongs to a run, but model (={folder}) is an export, which holds one set "
                "of thresholds; leave evaluation out, or serve the run"
            )
        try:
            exported = Exported.load(folder)
        except ImportError as error:  # its message names the engine, and the command that installs it
            raise MissingExtraError(str(error)) from error
        undefined = exported.metadata["thresholds"].get("image_undefined")
        return _model(folder, exported, exported.read, undefined)
    if not (folder / CONFIG).is_file():
        raise ValueError(
            f"model (={folder}) is no folder of a run and no exported folder: it holds neither {CONFIG} nor "
            f"{_METADATA}; name a folder that fae.train or fae.export wrote"
        )
    detector = load(folder, evaluation)
    path = folder / METRICS if evaluation is None else folder / "evaluation" / f"{evaluation}.json"
    metrics = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return _model(folder, detector, lambda file: detector.read(file).rgb, metrics.get("image_threshold_undefined"))


def _model(folder: Path, detector: Detector | Exported, read: Callable[[Path], Array], undefined: str | None) -> Model:
    return Model(
        folder.resolve().name,
        read,
        detector,
        detector.colour_limit,
        detector.image_threshold,
        undefined or "the folder holds none",
        np.asarray([] if detector.normals is None else detector.normals, dtype=np.float64),
        detector.percent,
    )
