"""Metrics a second time, without the test images whose parts are in training."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fae.data.module import DataModule
from fae.evaluation.names import missing, named
from fae.metric.pixel import exact, ranking

APART = "_apart"
"""The end of the names of these metrics."""


def apart(scores: NDArray[np.float32], maps: Tensor, data: DataModule, judged: Tensor) -> dict[str, Any]:
    """Measure the test images that show no part of the training; return nothing if all do not.

    Args:
        scores: `(N,)` scores of the test images.
        maps: `(N, 1, H, W)` maps of the test images.
        data: data module after `setup`.
        judged: `(N, 1, H, W)` bool, False where a pixel takes no part in the metrics.

    Returns:
        the measures of all defect types together, with names that end in `_apart`, and `known_test_images`, the number
        of images without which they are; a measure is None where a class is missing, and `image_auroc_apart_undefined`
        and `pixel_auroc_apart_undefined` say so.
    """
    if not data.known.any():
        return {}
    new = ~data.known
    label = np.array([sample.label for sample in data.test.samples], bool)
    normal, anomalous = scores[new & ~label], scores[new & label]
    metrics: dict[str, Any] = {"known_test_images": int(data.known.sum())}
    metrics |= named("image", ranking(normal, anomalous), APART)
    if metrics[f"image_auroc{APART}"] is None:
        lost = _lost(missing("test images", bool(normal.size), bool(anomalous.size)), data.known, label)
        metrics[f"image_auroc{APART}_undefined"] = lost
    if judged.any():
        chosen = torch.from_numpy(new)
        kept = [part[chosen].squeeze(1).numpy() for part in (maps, data.mask, judged)]
        metrics |= named("pixel", exact(kept[0], kept[1], kept[2]), APART)
        if metrics[f"pixel_auroc{APART}"] is None:
            on, off = ((kept[2] & side).any() for side in (kept[1], ~kept[1]))
            lost = _lost(missing("test pixels", bool(off), bool(on)), data.known, label)
            metrics[f"pixel_auroc{APART}_undefined"] = lost
    return metrics


def apart_lines(metrics: Mapping[str, Any]) -> list[str]:
    """Return a line for the image and for the pixel AUROC, as far as `apart` has measured them."""
    lines = []
    for name in (f"image_auroc{APART}", f"pixel_auroc{APART}"):
        if name in metrics:
            value = metrics[name]
            shown = f"undefined ({metrics[f'{name}_undefined']})" if value is None else f"{value:.4f}"
            lines.append(f"{name}: {shown}, without {metrics['known_test_images']} test image(s) that training knows")
    return lines


def _lost(what: str, known: NDArray[np.bool_], label: NDArray[np.bool_]) -> str:
    good, bad = int((known & ~label).sum()), int((known & label).sum())
    return (
        f"{what} left: training knows {good} of {int((~label).sum())} normal and {bad} of {int(label.sum())} anomalous "
        "test images"
    )
