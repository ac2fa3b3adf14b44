"""detector.pt: what a run's weights need besides, to score an image."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from fae.machine.atomic import whole
from fae.run.network import checkpoint_of
from fae.score.score import Score

DETECTOR = "detector.pt"
_FORMAT = 2


def save_detector(
    path: Path,
    cfg: DictConfig,
    run_dir: Path,
    score: Score,
    image_size: Sequence[int],
    thresholds: tuple[float | None, float | None],
    colour_limit: float,
) -> None:
    """Write what a run's weights need besides, to score an image: plain values and tensors, no pickled code.

    Args:
        path: of the file.
        cfg: the run's configuration, with the score that was calibrated.
        run_dir: the run's folder, whose checkpoint this belongs to.
        score: calibrated.
        image_size: `(height, width)` of the maps.
        thresholds: of images and of pixels, None where there is none.
        colour_limit: value of the brightest colour in pictures.
    """
    state = {
        "format": _FORMAT,
        "checkpoint": digest(checkpoint_of(run_dir)),
        "score": OmegaConf.to_container(cfg.score, resolve=True),
        "damping": score.damping,
        "level": score.image_score.level,
        "image_size": list(image_size),
        "thresholds": list(thresholds),
        "colour_limit": colour_limit,
    }
    with whole(path) as draft:
        torch.save(state, draft)


def read_detector(path: Path, run_dir: Path) -> dict[str, Any]:
    """Read what `save_detector` wrote.

    Args:
        path: of the file.
        run_dir: the run's folder, whose checkpoint it must belong to.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no detector, one of another version, or one of other weights.
    """
    again = f"python -m fae.evaluate run_dir={run_dir} name=again writes one, for evaluation=again"
    if not path.is_file():
        raise FileNotFoundError(f"no {path}; {again}")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        known = state["format"] == _FORMAT
    except (RuntimeError, KeyError, TypeError, EOFError, UnpicklingError) as error:
        raise ValueError(f"{path} is no detector ({type(error).__name__}); {again}") from error
    if not known:
        raise ValueError(f"{path} has format {state['format']}, this version reads {_FORMAT}; {again}")
    if state["checkpoint"] != digest(checkpoint_of(run_dir)):
        raise ValueError(f"{path} belongs to other weights than {checkpoint_of(run_dir)}; {again}")
    return state


def digest(path: Path) -> str:
    """Sixteen hexadecimal digits of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
