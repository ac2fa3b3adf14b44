"""What a run leaves behind: scores.csv, heatmaps and, last, metrics.json; the same goes to W&B."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fae.data.index import Sample
from fae.data.module import DataModule
from fae.evaluation.measure import Evaluation
from fae.machine.atomic import whole, write_text
from fae.picture.heatmap import choose, write_heatmaps
from fae.picture.pages import write_pictures
from fae.run.folder import METRICS
from fae.tracking.logger import ResumableWandbLogger
from fae.tracking.results import log_model, log_results

_COLUMNS = ("path", "label", "defect_type", "score")


def write_results(
    run_dir: Path,
    metrics: dict[str, Any],
    result: Evaluation,
    reconstruction: Tensor,
    data: DataModule,
    pictures: int,
    logger: ResumableWandbLogger,
    keep_model: bool,
) -> None:
    """Write everything, metrics.json last, so that its presence means that the run is finished.

    Args:
        run_dir: the run's folder.
        metrics: flat, for metrics.json and W&B's summary.
        result: maps and scores of the test images.
        reconstruction: `(N, 3, H, W)` uint8, of the test images.
        data: after `setup`.
        pictures: how many heatmaps to write.
        logger: of the run.
        keep_model: whether W&B gets what `fae.load` needs as well.
    """
    samples, scores = data.test.samples, result.image_score
    rows = _rows(samples, scores)
    with whole(run_dir / "scores.csv") as draft, draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        writer.writerows(rows)
    chosen = choose(scores, pictures, data.seed)
    written = write_heatmaps(
        run_dir / "heatmaps", samples, chosen, data.test.image, reconstruction, result.anomaly_map, data.mask, scores
    )
    pages = write_pictures(run_dir, "", str(metrics["dataset"]), result, data)
    text = json.dumps(metrics, indent=2, allow_nan=False) + "\n"
    if logger.enabled:
        log_results(logger, metrics, result, reconstruction, data, pages, written)
        if keep_model:
            log_model(logger, run_dir, text)
    write_text(run_dir / METRICS, text)


def _rows(samples: tuple[Sample, ...], scores: NDArray[np.float32]) -> list[list[Any]]:
    return [
        [str(sample.path), sample.label, sample.defect_type, float(value)]
        for sample, value in zip(samples, scores, strict=True)
    ]
