"""Several finished runs together: the maximum of their maps, or thresholds from the images that each run held out."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from fae.evaluation.finished_run import Scored
from fae.evaluation.measure import Normals

SCALES = ("none", "validation")


def together(members: Sequence[Scored], scale: str) -> tuple[Normals, Tensor]:
    """Return the maps of one run, or the pixelwise maximum of several runs; Bauer et al. 2022, section 4.4.

    Args:
        members: runs that share their test images and their held-out images.
        scale: "none" as in the paper, or "validation", which first divides each run's maps by their mean over the
            held-out normal images.

    Raises:
        ValueError: there is no such scale, or the runs' images differ.
    """
    if scale not in SCALES:
        raise ValueError(f"ensemble_scale (={scale!r}) must be none, as in the paper, or validation")
    first = members[0]
    held_out, maps = first.maps()
    for other in members[1:]:
        if not _same_images(first, other):
            raise ValueError(
                f"ensemble: {other.run_dir} has other images than {first.run_dir}, or another size of them"
            )
        if [s.path.name for s in other.data.val.samples] != [s.path.name for s in first.data.val.samples]:
            raise ValueError(
                f"ensemble: {other.run_dir} has learned from images that {first.run_dir} holds out; train both with "
                "one seed, val_fraction and fold"
            )
    if len(members) == 1:
        return held_out, maps
    inside = held_out.content
    pairs = [(held_out, maps), *(other.maps() for other in members[1:])]
    by = [divisor(normal, scale) for normal, _ in pairs]
    parts = [(normal.anomaly_map / one, test / one) for (normal, test), one in zip(pairs, by, strict=True)]
    both = [torch.stack(part).amax(dim=0) for part in zip(*parts, strict=True)]
    return Normals(both[0], inside), both[1]


def divisor(held_out: Normals, scale: str) -> float:
    """Return the number that a member's maps are divided by: their mean over its held-out images, or 1."""
    return float(held_out.anomaly_map[held_out.content].mean()) if scale == "validation" else 1.0


def check_members(run_dir: Path, ensemble: Sequence[str]) -> None:
    """Check that an ensemble names several runs, and `run_dir` among them.

    Raises:
        ValueError: it does not.
    """
    if len(ensemble) < 2 or run_dir.resolve() not in {Path(name).resolve() for name in ensemble}:
        raise ValueError(
            f"ensemble (={list(ensemble)}) must name two runs or more, and run_dir (={run_dir}) must be one of them"
        )


def pooled(runs: Sequence[Scored], detector: Scored) -> Normals:
    """Return maps of all held-out images of several runs.

    With one run for each fold, every image occurs once, scored by a run that was not trained on it.

    Args:
        runs: runs of all folds.
        detector: run that the thresholds are for.

    Raises:
        ValueError: an image occurs twice, or a run has other images than the detector.
    """
    for run in runs:
        if not _same_images(detector, run):
            raise ValueError(
                f"calibration.runs: {run.run_dir} has other images than {detector.run_dir}, or another size of them"
            )
    names = [sample.path.name for run in runs for sample in run.data.val.samples]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"calibration.runs: {twice} is held out twice; name runs of different data.fold, once each")
    parts = [run.maps()[0] for run in runs]
    return Normals(torch.cat([p.anomaly_map for p in parts]), torch.cat([p.content for p in parts]), len(parts))


def _same_images(one: Scored, other: Scored) -> bool:
    return (one.data.identity.fingerprint, one.data.image_size, one.data.aspect) == (
        *(other.data.identity.fingerprint, other.data.image_size, other.data.aspect),
    )
