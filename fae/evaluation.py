"""From residual maps to numbers: exact metrics, per defect type, beside what trivial statistics reach."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fae.data.module import DataModule
from fae.metric.aupro import LIMITS, aupro, region_weights
from fae.metric.auroc import auroc
from fae.metric.precision_recall import average_precision, best_f1
from fae.metric.trivial import IMAGE_STATISTICS, PIXEL_STATISTICS
from fae.score.image_score import Contrast, Excess, Max, Sum, Top
from fae.score.score import Score, image_scores
from fae.types import ImageScore


@dataclass(frozen=True)
class Evaluation:
    """What a run says of its test images."""

    metrics: dict[str, Any]
    """Flat, for metrics.json; fractions, null where a class is missing; the reason stands in `image_auroc_undefined`
    and `pixel_auroc_undefined`, and holds for the other image and pixel measures as well. "best" is the labels' choice:
    an oracle's figure."""
    anomaly_map: Tensor
    """`(N, 1, H, W)`."""
    image_score: NDArray[np.float32]
    """`(N,)`."""


def evaluate(score: Score, val_residual: Tensor, residual: Tensor, data: DataModule) -> Evaluation:
    """Score the test images.

    Args:
        score: k, n, t and the image score; calibrated here on the held-out normal images.
        val_residual: `(V, 1, H, W)`, of the held-out normal images.
        residual: `(N, 1, H, W)`, of the test images.
        data: after `setup`; its masks, labels and images.
    """
    score.calibrate(val_residual, data.val.content)
    inside = data.test.content
    maps = score.anomaly_map(residual) * inside
    types = np.array([sample.defect_type for sample in data.test.samples])
    label = np.array([sample.label for sample in data.test.samples], dtype=bool)
    judged = inside & data.has_mask.view(-1, 1, 1, 1)
    image = data.test.image

    metrics: dict[str, Any] = {}
    image_score = image_scores(score.image_score, maps, inside).numpy()
    metrics |= _image_measures(image_score, label, types)
    metrics |= _pixel_measures(maps, data.mask, judged, types)
    if len(label):
        val_pixels = score.anomaly_map(val_residual)[data.val.content].view(1, 1, 1, -1)
        others: list[ImageScore] = [Sum(), Max(), Top(), Contrast(), Excess()]
        for candidate in [other for other in others if other.name != score.image_score.name] + [score.image_score]:
            candidate.calibrate(val_pixels)
            values = image_scores(candidate, maps, inside).numpy()
            metrics[f"image_auroc_by_{candidate.name}"] = auroc(values[~label], values[label])
    metrics |= _trivial(image, label, data.mask, judged)
    return Evaluation(metrics, maps, image_score)


def summary(metrics: Mapping[str, Any]) -> str:
    """The two numbers that everybody asks for, each beside its trivial baseline, a line each."""
    lines = []
    for name in ("image_auroc", "pixel_auroc"):
        if metrics[name] is None:
            lines.append(f"{name}: undefined ({metrics[f'{name}_undefined']})")
        else:
            lines.append(f"{name}: {metrics[name]:.4f} (without learning: {metrics[f'trivial_{name}']:.4f})")
    return "\n".join(lines)


def _measures(kind: str, suffix: str, normal: NDArray[np.float32], anomalous: NDArray[np.float32]) -> dict[str, Any]:
    f1 = best_f1(normal, anomalous)
    return {
        f"{kind}_auroc{suffix}": auroc(normal, anomalous),
        f"{kind}_average_precision{suffix}": average_precision(normal, anomalous),
        f"{kind}_best_f1{suffix}": f1.value if f1 else None,
        f"{kind}_threshold_of_best_f1{suffix}": f1.threshold if f1 else None,
    }


def _image_measures(values: NDArray[np.float32], label: NDArray[np.bool_], types: NDArray[np.str_]) -> dict[str, Any]:
    metrics = _measures("image", "", values[~label], values[label])
    if metrics["image_auroc"] is None:
        metrics["image_auroc_undefined"] = _missing("test images", bool((~label).any()), bool(label.any()))
    for defect_type in sorted(set(types[label].tolist())):
        metrics |= _measures("image", f"_{defect_type}", values[~label], values[types == defect_type])
    return metrics


def _pixel_measures(maps: Tensor, mask: Tensor, judged: Tensor, types: NDArray[np.str_]) -> dict[str, Any]:
    weight = torch.zeros(mask.shape, dtype=torch.float64)
    weight[mask] = torch.from_numpy(region_weights(mask.squeeze(1).numpy()))

    def measures(suffix: str, some: Tensor) -> dict[str, Any]:
        normal, anomalous = maps[some & ~mask].numpy(), maps[some & mask].numpy()
        overlap = weight[some & mask].numpy()
        return _measures("pixel", suffix, normal, anomalous) | {
            f"aupro_{limit}{suffix}": aupro(normal, anomalous, overlap, limit) for limit in LIMITS
        }

    metrics = measures("", judged)
    if metrics["pixel_auroc"] is None:
        missing = _missing("test pixels", bool((judged & ~mask).any()), bool((judged & mask).any()))
        reason = missing if judged.any() else "no ground_truth masks" if len(maps) else "no test images"
        metrics["pixel_auroc_undefined"] = reason
    good = torch.from_numpy(types == "good")
    for defect_type in sorted(set(types.tolist()) - {"good"}) if judged.any() else []:
        of_type = torch.from_numpy(types == defect_type)
        metrics |= measures(f"_{defect_type}", judged & (good | of_type).view(-1, 1, 1, 1))
    return metrics


def _missing(what: str, normal: bool, anomalous: bool) -> str:
    if not normal and not anomalous:
        return f"no {what}"
    return f"no anomalous {what}" if normal else f"no normal {what}"


def _trivial(image: Tensor, label: NDArray[np.bool_], mask: Tensor, judged: Tensor) -> dict[str, Any]:
    """AUROC of each statistic, in whichever direction serves it better."""
    metrics: dict[str, Any] = {}
    if len(label):
        for name, statistic in IMAGE_STATISTICS.items():
            values = torch.cat([statistic(chunk.float() / 255) for chunk in torch.split(image, 16)]).numpy()
            metrics[f"trivial_image_auroc_{name}"] = _either(auroc(values[~label], values[label]))
    if judged.any():
        for name, statistic in PIXEL_STATISTICS.items():
            maps = torch.cat([statistic(chunk.float() / 255) for chunk in torch.split(image, 16)])
            metrics[f"trivial_pixel_auroc_{name}"] = _either(
                auroc(maps[judged & ~mask].numpy(), maps[judged & mask].numpy())
            )
    for kind in ("image", "pixel"):
        metrics[f"trivial_{kind}_auroc"] = _best(metrics, f"trivial_{kind}_auroc_")
    return metrics


def _either(value: float | None) -> float | None:
    return None if value is None else max(value, 1 - value)


def _best(metrics: Mapping[str, Any], prefix: str) -> float | None:
    values = [v for key, v in metrics.items() if key.startswith(prefix) and v is not None]
    return max(values, default=None)
