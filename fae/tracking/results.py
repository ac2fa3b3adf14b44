"""What W&B gets of a finished run: its numbers, curves, pictures, a table of its test images, and its model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import wandb
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from fae.data.module import DataModule
from fae.detector import DETECTOR
from fae.evaluation.measure import Evaluation
from fae.metric.aupro import LIMITS
from fae.picture.curves import lines, thinned
from fae.picture.heatmap import colour_limit, colours, outline
from fae.run.build import checkpoint_of
from fae.run.folder import CONFIG, METRICS, ORIGIN
from fae.tracking.logger import ResumableWandbLogger

COLUMNS = ("image", "reconstruction", "map", "overlay", "score", "decision", "defect_type", "path")
"""Of the table `predictions`."""

_SIDE = 256  # px, of the table's pictures at most


def log_results(
    logger: ResumableWandbLogger,
    metrics: dict[str, Any],
    result: Evaluation,
    reconstruction: Tensor,
    data: DataModule,
    pages: Sequence[Path],
    heatmaps: Sequence[Path],
) -> None:
    """Log everything but the model.

    Args:
        logger: enabled.
        metrics: flat, for the summary.
        result: maps, scores and counts of the test images.
        reconstruction: `(N, 3, H, W)` uint8, of the test images.
        data: after `setup`.
        pages: pictures, each under its own name.
        heatmaps: pictures under one name; offline they alone show single images outside the table.
    """
    logger.experiment.summary.update(metrics)
    for page in pages:
        logger.log_image(page.stem, [str(page)])
    if heatmaps:
        logger.log_image("heatmaps", [str(path) for path in heatmaps], caption=[path.stem for path in heatmaps])
    if data.test.samples:
        charts = _charts(result, np.array([sample.defect_type for sample in data.test.samples]))
        logger.experiment.log(charts | {"predictions": _table(result, reconstruction, data)})


def log_model(logger: ResumableWandbLogger, run_dir: Path, metrics: str) -> None:
    """Log the files that `fae.load` needs as an artifact: downloaded, its folder is one to load.

    Args:
        logger: enabled.
        run_dir: the run's folder.
        metrics: what metrics.json will hold.
    """
    artifact = wandb.Artifact(f"model-{logger.experiment.id}", type="model")
    for path in (checkpoint_of(run_dir), *(run_dir / name for name in (DETECTOR, CONFIG, ORIGIN))):
        artifact.add_file(str(path), name=path.name)
    with artifact.new_file(METRICS, encoding="utf-8") as file:
        file.write(metrics)
    logger.experiment.log_artifact(artifact)


def _charts(result: Evaluation, types: NDArray[np.str_]) -> dict[str, Any]:
    """Of curves that exist, by defect type; the area stands in the legend."""
    found = lines(result.image_score, types, result.pixels)
    charts = {}
    for key, title, curves, limit in (
        ("roc_images", "ROC of images: share found, AUROC", found.images, 1.0),
        ("roc_pixels", "ROC of pixels: share found, AUROC", found.pixels, 1.0),
        ("pro", f"Per-region overlap, AUPRO({LIMITS[0]})", found.regions, LIMITS[0]),
    ):
        drawn = {f"{n} {line[1]:.3f}": thinned(line[0], limit) for n, line in curves.items() if line is not None}
        if drawn:
            charts[key] = wandb.plot.line_series(
                [curve.false_positive_rate.tolist() for curve in drawn.values()],
                [curve.found.tolist() for curve in drawn.values()],
                keys=list(drawn),
                title=title,
                xname="false positive rate",
            )
    return charts


def _table(result: Evaluation, reconstruction: Tensor, data: DataModule) -> wandb.Table:
    """A row for each test image, the most anomalous first; maps in the colours of the heatmaps."""
    table = wandb.Table(columns=list(COLUMNS), allow_mixed_types=True)
    limit, threshold = colour_limit(result.anomaly_map), result.image_threshold
    for i in np.argsort(-result.image_score, kind="stable").tolist():
        sample, score = data.test.samples[i], float(result.image_score[i])
        image, repaired = (_small(part[i].permute(1, 2, 0).numpy()) for part in (data.test.image, reconstruction))
        heat, overlay = colours(image, _small(result.anomaly_map[i, 0].numpy()), limit)
        outline(overlay, _small(data.mask[i, 0].numpy().astype(np.uint8), cv2.INTER_NEAREST))
        pictures = [wandb.Image(Image.fromarray(p), file_type="jpg") for p in (image, repaired, heat, overlay)]
        decision = None if threshold is None else "anomalous" if score > threshold else "normal"
        table.add_data(*pictures, score, decision, sample.defect_type, str(sample.path))
    return table


def _small(picture: NDArray[Any], method: int = cv2.INTER_AREA) -> NDArray[Any]:
    """Bring `(H, W)` or `(H, W, 3)` to the size of a table's picture, if it is larger."""
    height, width = picture.shape[:2]
    scale = _SIDE / max(height, width)
    if scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=method))
