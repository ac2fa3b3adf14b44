"""detector.pt holds all values, besides a run's weights, that scoring an image needs."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf

from fae.machine.atomic import whole
from fae.run.network import checkpoint_of
from fae.score.score import Score

DETECTOR = "detector.pt"
_FORMAT = 4


def save_detector(
    path: Path,
    cfg: DictConfig,
    run_dir: Path,
    score: Score,
    image_size: Sequence[int],
    thresholds: tuple[float | None, float | None],
    colour_limit: float,
    normals: NDArray[np.float32],
    roi: NDArray[np.bool_] | None,
) -> None:
    """Write the values besides the weights that scoring an image needs: plain values and tensors, no pickled code.

    Args:
        path: path of the file to write.
        cfg: the run's configuration, with the score that was calibrated.
        run_dir: path of the run's folder, whose checkpoint the file belongs to.
        score: calibrated score.
        image_size: `(height, width)` of the maps in pixels.
        thresholds: thresholds for image scores and for pixels; None stands for a missing threshold.
        colour_limit: map value of the brightest colour in pictures.
        normals: `(n,)` scores of the held-out normal images.
        roi: region of interest of all images at their size; None if there is none, or one for each image.
    """
    state = {
        "format": _FORMAT,
        "checkpoint": digest(checkpoint_of(run_dir)),
        "score": OmegaConf.to_container(cfg.score, resolve=True),
        "damping": score.damping,
        "level": score.image_score.level,
        "rule": score.rule.learned,
        "image_size": list(image_size),
        "thresholds": list(thresholds),
        "colour_limit": colour_limit,
        "normals": sorted(normals.tolist()),
        "roi": None if roi is None else torch.from_numpy(roi),
    }
    with whole(path) as draft:
        torch.save(state, draft)


def read_detector(path: Path, run_dir: Path) -> dict[str, Any]:
    """Read the values that `save_detector` wrote; files of older versions have neither `normals` nor `roi`.

    Args:
        path: path of the file to read.
        run_dir: path of the run's folder, whose checkpoint the file must belong to.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no detector, has the format of another version, or belongs to other weights.
    """
    again = f"`python -m fae.evaluate run_dir={run_dir} name=again` writes a new one for evaluation=again"
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; {again}")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        known = state["format"] == _FORMAT
    except (RuntimeError, KeyError, TypeError, EOFError, UnpicklingError) as error:
        raise ValueError(f"{path} is no detector ({type(error).__name__}); {again}") from error
    if not known:
        raise ValueError(f"{path} has format {state['format']}, but this version reads format {_FORMAT}; {again}")
    if state["checkpoint"] != digest(checkpoint_of(run_dir)):
        raise ValueError(f"{path} belongs to other weights than {checkpoint_of(run_dir)}; {again}")
    return state


def digest(path: Path) -> str:
    """Return sixteen hexadecimal digits of the SHA-256 hash of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
