"""What a run leaves behind: scores.csv, heatmaps and, last, metrics.json; the same goes to W&B."""

import csv
import json
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.loggers import WandbLogger
from numpy.typing import NDArray

from fae.data.index import Sample
from fae.files import whole, write_text
from fae.run_folder import METRICS

_COLUMNS = ("path", "label", "defect_type", "score")


def write_scores(path: Path, samples: tuple[Sample, ...], image_score: NDArray[np.float32]) -> None:
    """Write a row per test image; floats as Python's shortest exact form."""
    with whole(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        writer.writerows(score_rows(samples, image_score))


def score_rows(samples: tuple[Sample, ...], image_score: NDArray[np.float32]) -> list[list[Any]]:
    """Rows of path, label, defect type and score."""
    return [
        [str(sample.path), sample.label, sample.defect_type, float(value)]
        for sample, value in zip(samples, image_score, strict=True)
    ]


def write_metrics(run_dir: Path, metrics: dict[str, Any]) -> None:
    """Write metrics.json; its presence means that the run is finished."""
    write_text(run_dir / METRICS, json.dumps(metrics, indent=2, allow_nan=False) + "\n")


def log_to_wandb(
    logger: WandbLogger,
    metrics: dict[str, Any],
    samples: tuple[Sample, ...],
    image_score: NDArray[np.float32],
    pictures: list[Path],
) -> None:
    """Put metrics into the run's summary, heatmaps and the score table into its history."""
    logger.experiment.summary.update(metrics)
    if pictures:
        logger.log_image("heatmaps", [str(p) for p in pictures], caption=[p.stem for p in pictures])
    if samples:
        logger.log_table("scores", columns=list(_COLUMNS), data=score_rows(samples, image_score))


def environment(device: torch.device) -> dict[str, Any]:
    """The machine, the versions and the commit that a number was measured with."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = torch.cpu.get_capabilities().get("cpu_name") or platform.processor() or platform.machine()
    packages = ("fae", "torch", "lightning", "kornia", "numpy", "opencv-python-headless")
    return {
        "device": f"{device.type} ({name})",
        "threads": torch.get_num_threads(),
        "git_commit": _git_commit(),
        "python_version": platform.python_version(),
    } | {f"{package.replace('-', '_')}_version": version(package) for package in packages}


def _git_commit() -> str | None:
    """The commit of the code, with "+changes" where the tree differs from it; None outside a checkout."""

    def git(*arguments: str) -> str:
        here = Path(__file__).resolve().parent
        return subprocess.run(
            ["git", "-C", str(here), *arguments], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")) != Path(__file__).resolve().parents[1]:
            return None  # installed somewhere inside another project's checkout
        changes = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "HEAD") + ("+changes" if changes else "")
    except (OSError, subprocess.SubprocessError):
        return None
