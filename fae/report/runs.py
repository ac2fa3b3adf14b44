"""The runs in a sweep's folder: the results of finished runs, and the reasons why other runs have none."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from fae.metric.pixel import MEASURES as PIXEL_MEASURES
from fae.run.folder import CONFIG, METRICS, ORIGIN
from fae.run.identity import identity
from fae.score.image_score import IMAGE_SCORES

RESULTS, PAGE, FAILED = "results.csv", "report.html", "failed"
_OWN = {RESULTS, PAGE, FAILED, "wandb", "multirun.yaml"}

SETTINGS = (
    *(
        "space",
        "head",
        "objective",
        "corruption",
        "noise_sigma",
        "lam",
        "k",
        "n",
        "t",
        "residual",
        "rule",
        "image_score",
    ),
    *("image_size", "precision", "protocol"),
)
MEASURES = (
    *("image_auroc", "trivial_image_auroc", "trivial_pixel_auroc"),
    *(measure.key("pixel") for measure in PIXEL_MEASURES),
    *(f"image_auroc_by_{score.name}" for score in IMAGE_SCORES),
    *("unseen_pixel_auroc", "trivial_unseen_pixel_auroc", "image_auroc_apart", "pixel_auroc_apart"),
)
_THRESHOLDS = tuple(
    f"{kind}_{what}"
    for kind in ("image", "pixel")
    for what in (
        *("threshold", "threshold_rate", "threshold_normals", "threshold_rate_low", "threshold_rate_high"),
        *("false_alarms", "detections"),
    )
)
_COUNTS = ("steps", "checkpoint_step", "seconds", "train_images", "val_images", "test_images")
COLUMNS = (
    *("run", "dataset", "category", *SETTINGS, "seed", *MEASURES, *_COUNTS, *_THRESHOLDS),
    *("checkpoint", "weights_of", "git_commit", "device"),
)
NUMBERS = {"noise_sigma", "lam", "k", "n", "t", "seed", *MEASURES, *_COUNTS, *_THRESHOLDS}
_REQUIRED = {"dataset", "objective", "seed"}
_LOG_END = 4096  # bytes


@dataclass(frozen=True)
class Run:
    """A finished run."""

    row: dict[str, Any]
    """The run's metrics, with a value for each of COLUMNS."""
    words: dict[str, str] = field(default_factory=dict)
    """The values that the command line set, by key."""
    config: dict[str, Any] = field(default_factory=dict)
    """The flat configuration that determines the result; empty if only the metrics are left."""
    parent: dict[str, Any] = field(default_factory=dict)
    """What the run that it went on from had found, by the keys of metrics.json that begin with parent."""
    images: str | None = None
    """The fingerprint of the images, because two folders may have one name."""


@dataclass(frozen=True)
class Sweep:
    """The contents of a sweep's folder."""

    folder: Path
    finished: list[Run] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    """The name of each unreadable run and the reason."""
    failed: list[tuple[str, str, str]] = field(default_factory=list)
    """The name of each log, its first line, which holds the overrides, and its last line."""
    foreign: list[str] = field(default_factory=list)


def read_sweep(folder: Path) -> Sweep:
    """Read the runs directly below a folder; other contents are listed and left alone.

    Raises:
        ValueError: there is no such folder, or no run in it.
    """
    if not folder.is_dir():
        raise ValueError(f"sweep_dir (={folder}) is no folder; name the folder of a sweep: multirun/default")
    if (folder / CONFIG).is_file() or (folder / METRICS).is_file():
        raise ValueError(f"sweep_dir (={folder}) is a run's own folder; name the one above: sweep_dir={folder.parent}")
    sweep = Sweep(folder)
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in _OWN:
            continue
        try:
            if (path / METRICS).is_file():
                sweep.finished.append(_finished(path))
            elif (path / CONFIG).is_file() or (path / ORIGIN).is_file():
                sweep.unfinished.append(path.name)
            else:
                sweep.foreign.append(path.name)
        except (ValueError, OSError, OverflowError, RecursionError, yaml.YAMLError) as error:
            sweep.unreadable.append((path.name, str(error)))
    for log in sorted((folder / FAILED).glob("*.log")):
        sweep.failed.append((log.name, *_ends(log)))
    if not (sweep.finished or sweep.unfinished or sweep.unreadable or sweep.failed):
        raise ValueError(
            f"sweep_dir (={folder}) holds no run; name the folder of a sweep: multirun/default, or the "
            "DIR of `fae.train -m … hydra.sweep.dir=DIR`"
        )
    return sweep


def _finished(folder: Path) -> Run:
    metrics = _mapping(folder / METRICS)
    row = {name: _value(name, metrics.get(name)) for name in COLUMNS} | {"run": folder.name}
    missing = [name for name in sorted(_REQUIRED) if row[name] is None]
    if missing:
        raise ValueError(f"{METRICS} does not hold {', '.join(missing)}")
    said = metrics.get("overrides")
    words = [str(word).lstrip("+~").partition("=") for word in said] if isinstance(said, list) else []
    config, images = {}, None
    if (folder / CONFIG).is_file():
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster than SafeLoader
        plain = yaml.load((folder / CONFIG).read_text(encoding="utf-8"), loader)
        if not isinstance(plain, dict):
            raise ValueError(f"{CONFIG} holds no configuration")
        config = identity(plain)
    if (folder / ORIGIN).is_file():
        images = str(_mapping(folder / ORIGIN).get("fingerprint"))
    parent = {key: value for key, value in metrics.items() if key.partition("_")[0] == "parent"}
    return Run(row, identity({key: value for key, _, value in words}), config, parent, images)


def _mapping(path: Path) -> Mapping[str, Any]:
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path.name} is not complete JSON ({error})") from error
    if not isinstance(plain, dict):
        raise ValueError(f"{path.name} holds no dictionary")
    return plain


def _value(name: str, value: Any) -> Any:
    """Return a value for a table: a finite number if the column holds numbers, otherwise words, or None."""
    if value is None:
        return None
    if name in NUMBERS:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{METRICS} has {name} (={value!r}), which is no finite number")
        return value
    return " × ".join(map(str, value)) if isinstance(value, list) else str(value)


def _ends(log: Path) -> tuple[str, str]:
    """Return the first line and the last line that is not blank, each of bounded length."""
    try:
        with log.open("rb") as file:
            first = file.readline(_LOG_END)
            file.seek(max(0, log.stat().st_size - _LOG_END))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError as error:
        return "", f"cannot be read: {error}"
    return first.decode(errors="replace").strip(), next((line.strip() for line in lines[::-1] if line.strip()), "")
