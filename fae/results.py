"""What a run leaves behind: scores.csv, heatmaps and, last, metrics.json; the same goes to W&B."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch.loggers import WandbLogger
from numpy.typing import NDArray
from torch import Tensor

from fae.data.index import Sample
from fae.data.module import DataModule
from fae.evaluation import Evaluation
from fae.files import whole, write_text
from fae.heatmap import choose, write_heatmaps
from fae.pictures import write_pictures
from fae.run_folder import METRICS

_COLUMNS = ("path", "label", "defect_type", "score")


def write_results(
    run_dir: Path,
    metrics: dict[str, Any],
    result: Evaluation,
    reconstruction: Tensor,
    data: DataModule,
    pictures: int,
    logger: WandbLogger,
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
    logger.experiment.summary.update(metrics)
    for page in pages:
        logger.log_image(page.stem, [str(page)])
    if written:
        logger.log_image("heatmaps", [str(p) for p in written], caption=[p.stem for p in written])
    if rows:
        logger.log_table("scores", columns=list(_COLUMNS), data=rows)
    write_text(run_dir / METRICS, json.dumps(metrics, indent=2, allow_nan=False) + "\n")


def _rows(samples: tuple[Sample, ...], scores: NDArray[np.float32]) -> list[list[Any]]:
    return [
        [str(sample.path), sample.label, sample.defect_type, float(value)]
        for sample, value in zip(samples, scores, strict=True)
    ]
