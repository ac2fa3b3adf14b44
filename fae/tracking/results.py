"""What W&B gets of a finished run: its numbers, curves, pictures, a table of its test images, and its model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import wandb
from PIL import Image

from fae.metric.aupro import LIMITS
from fae.metric.counts import Counts
from fae.picture.curves import lines, thinned
from fae.picture.panel import Shown, heat, outline, overlay, picture, scaled, scaled_map, scaled_mask
from fae.tracking.logger import ResumableWandbLogger

COLUMNS = ("image", "reconstruction", "map", "overlay", "score", "decision", "defect_type", "path")
"""Of the table `predictions`."""

_SIDE = 256  # px, of the table's pictures at most


def log_results(
    logger: ResumableWandbLogger,
    metrics: dict[str, Any],
    shown: Shown,
    pixels: Mapping[str, Counts],
    paths: Sequence[Path],
    pages: Sequence[Path],
    heatmaps: Sequence[Path],
) -> None:
    """Log everything but the model.

    Args:
        logger: enabled.
        metrics: flat, for the summary.
        shown: the test images, with reconstructions.
        pixels: counts of the pixels' scores by defect type.
        paths: the files of the test images.
        pages: pictures, each under its own name.
        heatmaps: pictures under one name; offline they alone show single images outside the table.
    """
    logger.experiment.summary.update(metrics)
    for page in pages:
        logger.log_image(page.stem, [str(page)])
    if heatmaps:
        logger.log_image("heatmaps", [str(path) for path in heatmaps], caption=[path.stem for path in heatmaps])
    if len(shown.image):
        logger.experiment.log(_charts(shown, pixels) | {"predictions": _table(shown, paths)})


def log_model(logger: ResumableWandbLogger, files: Sequence[Path], metrics: str) -> None:
    """Log the files that `fae.load` needs as an artifact: downloaded, its folder is one to load.

    Args:
        logger: enabled.
        files: of the run, all but metrics.json.
        metrics: what metrics.json will hold.
    """
    artifact = wandb.Artifact(f"model-{logger.experiment.id}", type="model")
    for path in files:
        artifact.add_file(str(path), name=path.name)
    with artifact.new_file("metrics.json", encoding="utf-8") as file:
        file.write(metrics)
    logger.experiment.log_artifact(artifact)


def _charts(shown: Shown, pixels: Mapping[str, Counts]) -> dict[str, Any]:
    """Of curves that exist, by defect type; the area stands in the legend."""
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
    """A row for each test image, the most anomalous first; maps in the colours of the heatmaps."""
    assert shown.reconstruction is not None
    table = wandb.Table(columns=list(COLUMNS), allow_mixed_types=True)
    limit, threshold, size = shown.limit, shown.threshold, _small(*shown.image.shape[-2:])
    for i in np.argsort(-shown.image_score, kind="stable").tolist():
        score = float(shown.image_score[i])
        image, repaired = (scaled(picture(part[i]), size) for part in (shown.image, shown.reconstruction))
        anomaly_map = scaled_map(shown.anomaly_map[i, 0].numpy(), size)
        over = overlay(image, anomaly_map, limit)
        outline(over, scaled_mask(shown.mask[i, 0].numpy(), size))
        panels = (image, repaired, heat(anomaly_map, limit), over)
        pictures = [wandb.Image(Image.fromarray(panel), file_type="jpg") for panel in panels]
        decision = None if threshold is None else "anomalous" if score > threshold else "normal"
        table.add_data(*pictures, score, decision, str(shown.types[i]), str(paths[i]))
    return table


def _small(height: int, width: int) -> tuple[int, int]:
    """The `(width, height)` of a table's picture: the image's own, if it is not larger than `_SIDE`."""
    scale = min(1.0, _SIDE / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))
