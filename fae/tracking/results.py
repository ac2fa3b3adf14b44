"""The results that W&B gets of a finished run: numbers, curves, pictures, a table of the test images, and the model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import wandb
from PIL import Image

from fae.metric.aupro import LIMITS
from fae.metric.counts import Counts
from fae.picture.curves import lines, thinned
from fae.picture.panel import Shown, dim, heat, outline, overlay, picture, scaled, scaled_map, scaled_mask
from fae.tracking.logger import ResumableWandbLogger

COLUMNS = ("image", "reconstruction", "map", "overlay", "score", "decision", "defect_type", "path")
"""The columns of the table `predictions`."""

_SIDE = 256  # px; the longest side that a picture in the table may have


def log_results(
    logger: ResumableWandbLogger,
    metrics: dict[str, Any],
    shown: Shown,
    pixels: Mapping[str, Counts],
    paths: Sequence[Path],
    pages: Sequence[Path],
    heatmaps: Sequence[Path],
) -> None:
    """Log all results except the model.

    Args:
        logger: enabled logger.
        metrics: flat metrics for the summary of the W&B run.
        shown: test images with reconstructions.
        pixels: counts of pixel scores by defect type.
        paths: paths of the test images.
        pages: paths of pictures that are logged under their own names.
        heatmaps: paths of heatmaps that are logged under one name; offline, only they show single images outside the
            table.
    """
    logger.experiment.summary.update(metrics)
    for page in pages:
        logger.log_image(page.stem, [str(page)])
    if heatmaps:
        logger.log_image("heatmaps", [str(path) for path in heatmaps], caption=[path.stem for path in heatmaps])
    if len(shown.image):
        logger.experiment.log(_charts(shown, pixels) | {"predictions": _table(shown, paths)})


def log_model(logger: ResumableWandbLogger, files: Sequence[Path], metrics: str) -> None:
    """Log the files that `fae.load` needs as an artifact; `fae.load` reads the folder of the downloaded artifact.

    Args:
        logger: enabled logger.
        files: paths of the run's files without metrics.json.
        metrics: text that metrics.json will hold.
    """
    artifact = wandb.Artifact(f"model-{logger.experiment.id}", type="model")
    for path in files:
        artifact.add_file(str(path), name=path.name)
    with artifact.new_file("metrics.json", encoding="utf-8") as file:
        file.write(metrics)
    logger.experiment.log_artifact(artifact)


def _charts(shown: Shown, pixels: Mapping[str, Counts]) -> dict[str, Any]:
    """Draw the curves that are defined, by defect type; the legend shows their areas."""
    found = lines(shown.image_score, shown.types, pixels)
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


def _table(shown: Shown, paths: Sequence[Path]) -> wandb.Table:
    """Return a table with a row for each test image, the most anomalous first; maps have the heatmaps' colours."""
    assert shown.reconstruction is not None
    table = wandb.Table(columns=list(COLUMNS), allow_mixed_types=True)
    limit, threshold, size = shown.limit, shown.threshold, _small(*shown.image.shape[-2:])
    for i in np.argsort(-shown.image_score, kind="stable").tolist():
        score = float(shown.image_score[i])
        image, repaired = (scaled(picture(part[i]), size) for part in (shown.image, shown.reconstruction))
        anomaly_map = scaled_map(shown.anomaly_map[i, 0].numpy(), size)
        over = overlay(image, anomaly_map, limit)
        if shown.roi is not None:
            dim(over, scaled_mask(shown.roi[i, 0].numpy(), size))
        outline(over, scaled_mask(shown.mask[i, 0].numpy(), size))
        panels = (image, repaired, heat(anomaly_map, limit), over)
        pictures = [wandb.Image(Image.fromarray(panel), file_type="jpg") for panel in panels]
        decision = None if threshold is None else "anomalous" if score > threshold else "normal"
        table.add_data(*pictures, score, decision, str(shown.types[i]), str(paths[i]))
    return table


def _small(height: int, width: int) -> tuple[int, int]:
    """Return the `(width, height)` of a picture in the table: the image's own size, unless `_SIDE` is exceeded."""
    scale = min(1.0, _SIDE / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))
