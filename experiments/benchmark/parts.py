"""The parts of the benchmark by name; each runs in a process of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from experiments.benchmark.fitting import Fitted
from experiments.benchmark.inference import inference
from experiments.benchmark.layers import layers
from experiments.benchmark.memory import memory
from experiments.benchmark.scale import data_scale, scale
from experiments.benchmark.subject import Subject, subject_of
from experiments.benchmark.switches import switches
from experiments.benchmark.training import training
from fae.run.build import quiet

_STEPS = 20
"""Number of training steps of a run of the part `data`."""


class Asked(NamedTuple):
    """What a part needs to know."""

    subject: Subject
    fitted: Fitted
    folder: Path
    """Folder for files that are removed at the end."""
    room: int
    """Bytes of memory that may be used."""
    seconds: float
    images: list[int]
    """Numbers of training images for the part `data`."""


PARTS: dict[str, Callable[[Asked], Any]] = {
    "training": lambda asked: training(asked.subject, asked.folder, asked.seconds),
    "inference": lambda asked: inference(asked.subject, asked.seconds, asked.fitted.scored),
    "memory": lambda asked: memory(asked.subject.cfg, asked.fitted.scored),
    "switches": lambda asked: switches(asked.subject, asked.seconds),
    "layers": lambda asked: layers(asked.subject, asked.seconds / 60),
    "scale": lambda asked: scale(asked.subject.cfg, asked.room),
    "data": lambda asked: data_scale(asked.subject.cfg, asked.folder, asked.images, _STEPS),
}


def measured(part: str, plain: dict[str, Any], fitted: Fitted, folder: Path, room: int) -> Any:
    """Measure a part; a function for a fresh process.

    Args:
        part: its name in `PARTS`.
        plain: the whole configuration as plain values, with its interpolations.
        fitted: the batches that fit into memory.
        folder: folder for files that are removed at the end.
        room: bytes of memory that may be used.

    Returns:
        the part's entry in the JSON.
    """
    quiet()
    plain["data"]["batch_size"] = fitted.batch_size
    subject = subject_of(plain)
    asked = subject.cfg.benchmark
    return PARTS[part](Asked(subject, fitted, folder, room, asked.seconds, list(asked.images)))
