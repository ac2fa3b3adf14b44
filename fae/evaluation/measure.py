"""From anomaly maps to numbers: metrics, per defect type, thresholds, beside what trivial statistics reach."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fae.data.module import DataModule
from fae.metric.auroc import auroc
from fae.metric.counts import Counts
from fae.metric.pixel import MEASURES, check_engine, counted, exact, ranking
from fae.metric.streaming import StreamingPixelMetrics
from fae.metric.trivial import IMAGE_STATISTICS, PIXEL_STATISTICS
from fae.score.image_score import IMAGE_SCORES
from fae.score.score import calibrate_image_score, image_scores
from fae.score.threshold import Threshold, Thresholds, TooFewNormalsError, exceeding
from fae.types import ImageScore, PixelMetric

DEFINITIONS = {
    "definition_auroc": "P(anomalous > normal) + 1/2 P(equal), over all pairs of images or of pixels",
    "definition_average_precision": "sum over all thresholds of precision times step in recall, not interpolated",
    "definition_best_f1": "highest 2 TP / (2 TP + FP + FN) of all thresholds, chosen by the labels: an oracle's; "
    "scores of at least its threshold count",
    "definition_threshold": "from held-out normal images alone; scores above it count; false alarms are the "
    "share of the good test images, or of their pixels, detections that of the anomalous ones",
    "definition_aupro": "Bergmann et al. 2021: overlap averaged over 8-connected regions against the false positive "
    "rate of all normal pixels, area up to the limit over the limit",
    "definition_pixels": "all test images at data.image_size, without padding; a mask is set above half of full scale",
}


class Normals(NamedTuple):
    """Maps of normal images that took no part in training."""

    anomaly_map: Tensor
    """`(V, 1, H, W)`."""
    content: Tensor
    """Same shape, bool; False where an image was padded."""
    networks: int = 1
    """How many networks made them: scores of several are no draws from that of one, and give no interval."""


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
    pixels: dict[str, Counts]
    """Of each defect type, and of "all"; empty without masks."""
    image_threshold: float | None
    pixel_threshold: float | None


def measure(
    image_score: ImageScore,
    anomaly_map: Tensor,
    data: DataModule,
    thresholds: Thresholds,
    held_out: Normals,
    calibration: Normals | None = None,
    engine: str = "exact",
    own: Mapping[str, PixelMetric] | None = None,
) -> Evaluation:
    """Score the test images.

    Args:
        image_score: calibrated on the held-out normal images.
        anomaly_map: `(N, 1, H, W)`, of the test images.
        data: after `setup`; its masks, labels and images.
        thresholds: how to set them.
        held_out: what other image scores are calibrated on.
        calibration: what the thresholds come from; the held-out images unless given.
        engine: of the pixel metrics, see `fae.metric.pixel`.
        own: further pixel metrics of the configuration, by the name under which they are reported.

    Raises:
        ValueError: a map holds NaN, or there is no such engine.
    """
    check_engine(engine)
    inside = data.test.content
    maps = anomaly_map * inside
    for split, some in ((data.val, held_out.anomaly_map), (data.test, maps)):
        for i in some.flatten(1).isnan().any(dim=1).nonzero().flatten().tolist()[:1]:
            raise ValueError(f"the map of {split.samples[i].path} holds NaN; look for NaN in the weights")
    types = np.array([sample.defect_type for sample in data.test.samples])
    label = np.array([sample.label for sample in data.test.samples], dtype=bool)
    judged = inside & data.has_mask.view(-1, 1, 1, 1)

    metrics: dict[str, Any] = {"engine": engine}
    scores = image_scores(image_score, maps, inside).numpy()
    metrics |= _image_measures(scores, label, types)
    pixels = _pixel_counts(maps, data.mask, judged, types) if judged.any() else {}
    metrics |= _pixel_measures(maps, data.mask, judged, types, pixels, engine)
    for name, metric in (own or {}).items():
        metrics[f"pixel_{name}"] = metric(*(part.squeeze(1).numpy() for part in (maps, data.mask, judged)))
    normals = calibration or held_out
    calm = image_scores(image_score, normals.anomaly_map, normals.content).numpy()
    metrics |= _threshold("image", thresholds, normals.networks, lambda: thresholds.image(calm))
    pixels_of = (normals.anomaly_map, normals.content)
    metrics |= _threshold("pixel", thresholds, normals.networks, lambda: thresholds.pixel(*pixels_of))
    good = torch.from_numpy(~label).view(-1, 1, 1, 1)
    of_normal, of_anomalous = maps[inside & good], maps[judged & data.mask]
    for kind, normal, anomalous in (("image", scores[~label], scores[label]), ("pixel", of_normal, of_anomalous)):
        metrics[f"{kind}_false_alarms"] = exceeding(normal, metrics[f"{kind}_threshold"])
        metrics[f"{kind}_detections"] = exceeding(anomalous, metrics[f"{kind}_threshold"])
    if len(label):
        others = [score() for score in IMAGE_SCORES if score.name != image_score.name]
        for candidate in [*others, image_score]:
            if candidate is not image_score:
                calibrate_image_score(candidate, held_out.anomaly_map, held_out.content)
            values = image_scores(candidate, maps, inside).numpy()
            metrics[f"image_auroc_by_{candidate.name}"] = auroc(values[~label], values[label])
    metrics |= _trivial(data.test.image, label, data.mask, judged) | DEFINITIONS
    return Evaluation(metrics, maps, scores, pixels, metrics["image_threshold"], metrics["pixel_threshold"])


def summary(metrics: Mapping[str, Any]) -> str:
    """The two numbers that everybody asks for, each beside its trivial baseline, a line each."""
    lines = []
    for name in ("image_auroc", "pixel_auroc"):
        if metrics[name] is None:
            lines.append(f"{name}: undefined ({metrics[f'{name}_undefined']})")
        else:
            lines.append(f"{name}: {metrics[name]:.4f} (without learning: {metrics[f'trivial_{name}']:.4f})")
    return "\n".join(lines)


def _named(kind: str, measures: Mapping[str, float | None], suffix: str = "") -> dict[str, float | None]:
    """Under their names in metrics.json: pixel_auroc_scratch, but aupro_0.3_scratch, as it is always of pixels."""
    by_region = {measure.name for measure in MEASURES if measure.by_region}
    return {
        f"{name if name.removesuffix('_error') in by_region else f'{kind}_{name}'}{suffix}": value
        for name, value in measures.items()
    }


def _image_measures(values: NDArray[np.float32], label: NDArray[np.bool_], types: NDArray[np.str_]) -> dict[str, Any]:
    metrics: dict[str, Any] = _named("image", ranking(values[~label], values[label]))
    if metrics["image_auroc"] is None:
        metrics["image_auroc_undefined"] = _missing("test images", bool((~label).any()), bool(label.any()))
    for defect_type in sorted(set(types[label].tolist())):
        metrics |= _named("image", ranking(values[~label], values[types == defect_type]), f"_{defect_type}")
    return metrics


def _pixel_counts(maps: Tensor, mask: Tensor, judged: Tensor, types: NDArray[np.str_]) -> dict[str, Counts]:
    """Of every defect type, with the pixels of the good images, and of all together."""
    good, everything = StreamingPixelMetrics(regions=True), StreamingPixelMetrics(regions=True)
    good.update(*(part[torch.from_numpy(types == "good")] for part in (maps, mask, judged)))
    everything.merge_state(good)
    counts = {}
    for defect_type in sorted(set(types.tolist()) - {"good"}):
        of_type, with_good = StreamingPixelMetrics(regions=True), deepcopy(good)
        of_type.update(*(part[torch.from_numpy(types == defect_type)] for part in (maps, mask, judged)))
        with_good.merge_state(of_type)
        everything.merge_state(of_type)
        counts[defect_type] = with_good.counts()
    return {"all": everything.counts()} | counts


def _pixel_measures(
    maps: Tensor,
    mask: Tensor,
    judged: Tensor,
    types: NDArray[np.str_],
    pixels: Mapping[str, Counts],
    engine: str,
) -> dict[str, Any]:
    def measures(name: str) -> dict[str, float | None]:
        if engine == "streaming" and name in pixels:
            return counted(pixels[name])
        chosen = torch.from_numpy((types == "good") | (types == name) | (name == "all"))
        return exact(*(part[chosen].squeeze(1).numpy() for part in (maps, mask, judged)))

    metrics: dict[str, Any] = _named("pixel", measures("all"))
    if metrics["pixel_auroc"] is None:
        missing = _missing("test pixels", bool((judged & ~mask).any()), bool((judged & mask).any()))
        reason = missing if judged.any() else "no ground_truth masks" if len(maps) else "no test images"
        metrics["pixel_auroc_undefined"] = reason
    for defect_type in [name for name in pixels if name != "all"]:
        metrics |= _named("pixel", measures(defect_type), f"_{defect_type}")
    return metrics


def _threshold(kind: str, thresholds: Thresholds, networks: int, find: Callable[[], Threshold]) -> dict[str, Any]:
    rate = thresholds.image_rate if kind == "image" else thresholds.pixel_rate
    facts: dict[str, Any] = {f"{kind}_threshold": None, f"{kind}_threshold_rate": rate}
    try:
        found = find()
    except TooFewNormalsError as error:
        return facts | {f"{kind}_threshold_undefined": str(error)}
    facts |= {f"{kind}_threshold": found.value, f"{kind}_threshold_normals": found.normals}
    if found.interval is None or networks > 1:
        return facts
    return facts | {
        f"{kind}_threshold_rate_low": found.interval[0],
        f"{kind}_threshold_rate_high": found.interval[1],
        f"{kind}_threshold_confidence": thresholds.confidence,
    }


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
