"""The end of a run, which training and a later evaluation share: measures, facts, detector and pages."""

import csv
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor

from fae.data.module import DataModule
from fae.evaluation.levels import Levels, measures_of, parts_of
from fae.evaluation.measure import Evaluation, Normals, measure
from fae.machine.atomic import whole, write_text
from fae.picture.heatmaps import choose, write_heatmaps
from fae.picture.pages import write_pages
from fae.picture.panel import Shown, colour_limit
from fae.run.calibrated import DETECTOR, save_detector
from fae.run.facts import facts
from fae.run.folder import CONFIG, METRICS, ORIGIN
from fae.run.network import checkpoint_of
from fae.run.parent import PARENT_COLUMNS, SCORES, Parent
from fae.score.score import Score
from fae.tracking.logger import ResumableWandbLogger
from fae.tracking.results import log_model, log_results

_COLUMNS = ("path", "label", "defect_type", "score", "anomaly_percent")
_DIGITS = 2  # of a per cent


class Maps(NamedTuple):
    """Anomaly maps, and the normal maps that thresholds come from."""

    held_out: Normals
    test: Tensor
    """`(N, 1, H, W)` maps of the test images."""
    calibration: Normals | None = None
    """Maps of other normal images for the thresholds; if None, the held-out maps serve."""
    levels: Levels | None = None
    """What each level alone has of the images; None if the maps are those of several runs."""


class Finished(NamedTuple):
    """The results of a finished run, ready to be written."""

    result: Evaluation
    metrics: dict[str, Any]
    """A flat dictionary for JSON."""
    shown: Shown
    """The test images, for pictures."""
    title: str
    """The title of the pictures."""


def finish(cfg: DictConfig, data: DataModule, score: Score, maps: Maps, others: dict[str, Any]) -> Finished:
    """Measure maps, and record what was measured and how the maps were made.

    Args:
        cfg: the run's configuration, with the score that the maps were made with.
        data: data module after `setup`.
        score: score that is calibrated on the held-out maps.
        maps: maps of the held-out and the test images.
        others: further entries of the metrics; they replace facts and measures that have the same name.

    Raises:
        ValueError: a map holds NaN, or a value of the configuration is wrong.
    """
    thresholds = instantiate(cfg.threshold, _convert_="all")
    own = instantiate(cfg.metric, _convert_="all")
    result = measure(score.image_score, maps.test, data, thresholds, maps.held_out, maps.calibration, cfg.engine, own)
    parts = [] if maps.levels is None else parts_of(maps.levels, data, score)
    alone = measures_of(parts, data)
    metrics = facts(cfg, data, score) | result.metrics | alone | others
    samples = data.test.samples
    shown = Shown(
        *(data.test.image, result.anomaly_map, data.mask, result.image_score),
        np.array([sample.defect_type for sample in samples]),
        [f"{sample.defect_type}/{sample.path.stem}" for sample in samples],
        result.image_threshold,
        parts=[part.shown for part in parts],
        shows="reconstruction" if maps.levels is None else maps.levels.shows,
        percent_width=result.percent_width,
        roi=data.test.roi,
    )
    return Finished(result, metrics, shown, data.index.dataset)


def write_detector(
    path: Path, cfg: DictConfig, run_dir: Path, score: Score, maps: Maps, result: Evaluation, data: DataModule
) -> None:
    """Write what `fae.load` needs besides the weights; the arguments are those of `finish`, and its result."""
    shown, split = (maps.test, data.test) if len(maps.test) else (maps.held_out.anomaly_map, data.val)
    size, thresholds = shown.shape[-2:], (result.image_threshold, result.pixel_threshold)
    roi = None if data.reader.regions is None else data.reader.regions.common
    limit = colour_limit(shown, split.roi)
    save_detector(path, cfg, run_dir, score, size, thresholds, limit, result.normals, roi)


def write_run(
    run_dir: Path,
    finished: Finished,
    reconstruction: Tensor,
    data: DataModule,
    pictures: int,
    logger: ResumableWandbLogger,
    keep_model: bool,
    parent: Parent | None = None,
) -> None:
    """Write a run's results, and send them to W&B. metrics.json comes last: it marks the run as finished.

    Args:
        run_dir: the run's folder, which already holds the detector.
        finished: results from `finish`.
        reconstruction: `(N, 3, H, W)` uint8 reconstructions of the test images.
        data: data module after `setup`.
        pictures: number of heatmaps to write.
        logger: the run's logger.
        keep_model: whether the files that `fae.load` needs are sent to W&B.
        parent: results of the run that this one goes on from, if any; scores.csv holds its scores, too.
    """
    result, samples = finished.result, data.test.samples
    shown = finished.shown._replace(reconstruction=reconstruction)
    before: list[tuple[str, ...]] = [()] * len(samples) if parent is None else [*parent.scores]
    with whole(run_dir / SCORES) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*_COLUMNS, *(() if parent is None else PARENT_COLUMNS)])
        for i, (sample, value, old) in enumerate(zip(samples, result.image_score, before, strict=True)):
            percent = shown.percent(i)
            shown_percent = "" if percent is None else round(percent, _DIGITS)
            writer.writerow([str(sample.path), sample.label, sample.defect_type, float(value), shown_percent, *old])
    heatmaps = write_heatmaps(run_dir / "heatmaps", shown, choose(result.image_score, pictures, data.seed))
    pages = write_pages(run_dir, "", finished.title, shown, result.pixels)
    text = json.dumps(finished.metrics, indent=2, allow_nan=False) + "\n"
    if logger.enabled:
        paths = [sample.path for sample in samples]
        log_results(logger, finished.metrics, shown, result.pixels, paths, pages, heatmaps)
        if keep_model:
            names = (DETECTOR, CONFIG, ORIGIN)
            log_model(logger, [checkpoint_of(run_dir), *(run_dir / name for name in names)], text)
    write_text(run_dir / METRICS, text)


def write_evaluation(folder: Path, name: str, finished: Finished) -> Path:
    """Write a later evaluation of a run: first its pages, and `<name>.json` last.

    Args:
        folder: folder of the run's evaluations.
        name: name of this evaluation.
        finished: results from `finish`.

    Returns:
        the JSON file.
    """
    write_pages(folder, f"{name}-", f"{finished.title}, {name}", finished.shown, finished.result.pixels)
    path = folder / f"{name}.json"
    write_text(path, json.dumps(finished.metrics, indent=2, allow_nan=False) + "\n")
    return path
