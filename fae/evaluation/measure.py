"""From anomaly maps to numbers: metrics overall and per defect type, thresholds, and trivial baselines."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fae.data.module import DataModule
from fae.evaluation.apart import apart, apart_lines
from fae.evaluation.names import missing, named
from fae.evaluation.saturated import saturated
from fae.evaluation.trivial import trivial
from fae.metric.auroc import auroc
from fae.metric.counts import Counts
from fae.metric.pixel import check_engine, counted, exact, ranking
from fae.metric.streaming import StreamingPixelMetrics
from fae.score.image_score import IMAGE_SCORES
from fae.score.percent import percent_width
from fae.score.score import calibrate_image_score, image_scores
from fae.score.threshold import Threshold, Thresholds, TooFewNormalsError, exceeding
from fae.types import ImageScore, PixelMetric

DEFINITIONS = {
    "definition_auroc": "P(anomalous > normal) + 1/2 P(equal), over all pairs of images or all pairs of pixels",
    "definition_average_precision": "the sum of precision times step in recall over all thresholds, not interpolated",
    "definition_best_f1": "the highest 2 TP / (2 TP + FP + FN) over all thresholds; an oracle's figure, because the "
    "labels choose the threshold; scores of at least the threshold count as anomalous",
    "definition_threshold": "comes from held-out normal images alone; scores above it count as anomalous; false alarms "
    "are the share of good test images, or of their pixels, above it; detections are the share of anomalous test "
    "images, or of anomalous pixels, above it",
    "definition_aupro": "Bergmann et al. 2021: the overlap, averaged over 8-connected regions, against the false "
    "positive rate of all normal pixels; the value is the area up to the limit, divided by the limit",
    "definition_spro": "Bergmann et al. 2022: as AUPRO, but a region counts as found where its saturation area is",
    "definition_pixels": "pixels are those of all test images at data.image_size, without padding, and within "
    "data.roi; a mask is set above half of full scale",
}


class Normals(NamedTuple):
    """Maps of normal images that took no part in training."""

    anomaly_map: Tensor
    """`(V, 1, H, W)` maps."""
    content: Tensor
    """`(V, 1, H, W)` bool; False on pixels that are not judged: padding, and what lies outside a region of interest."""
    networks: int = 1
    """The number of networks that made the maps.

    If several networks made the maps, no interval is given: their scores are not samples of one network's distribution.
    """


@dataclass(frozen=True)
class Evaluation:
    """The results of a run on its test images."""

    metrics: dict[str, Any]
    """A flat dictionary for metrics.json. Measures are fractions, or null if a class is missing; the reason stands in
    `image_auroc_undefined` and `pixel_auroc_undefined` and holds for the other image and pixel measures, too. A measure
    with "best" in its name is an oracle's figure, because the labels choose its threshold."""
    anomaly_map: Tensor
    """`(N, 1, H, W)` maps of the test images."""
    image_score: NDArray[np.float32]
    """`(N,)` scores of the test images."""
    pixels: dict[str, Counts]
    """The counts of pixels for each defect type and for "all"; empty without masks."""
    image_threshold: float | None
    pixel_threshold: float | None
    normals: NDArray[np.float32]
    """`(V,)` scores of the normal images that the thresholds come from."""

    @property
    def percent_width(self) -> float | None:
        """The width of the curve of `fae.score.percent`."""
        return percent_width(self.normals, self.image_threshold)


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
        image_score: image score, calibrated on the held-out normal images.
        anomaly_map: `(N, 1, H, W)` maps of the test images.
        data: data module after `setup`, with masks, labels and images.
        thresholds: rates of false alarms that the thresholds must keep to.
        held_out: maps of the held-out normal images, on which the other image scores are calibrated.
        calibration: maps that the thresholds come from; the held-out maps unless given.
        engine: engine of the pixel metrics, "exact" or "streaming"; see `fae.metric.pixel`.
        own: further pixel metrics of the configuration, by the names under which they are reported.

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
    metrics |= threshold_facts("image", thresholds, normals.networks, lambda: thresholds.image(calm))
    pixels_of = (normals.anomaly_map, normals.content)
    metrics |= threshold_facts("pixel", thresholds, normals.networks, lambda: thresholds.pixel(*pixels_of))
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
    metrics |= saturated(maps, data, judged)
    metrics |= apart(scores, maps, data, judged)
    metrics |= trivial(data.test, label, data.mask, judged) | DEFINITIONS
    return Evaluation(metrics, maps, scores, pixels, metrics["image_threshold"], metrics["pixel_threshold"], calm)


def summary(metrics: Mapping[str, Any]) -> str:
    """Return the image and the pixel AUROC, one per line, each beside its trivial baseline; see also `apart`."""
    lines = []
    for name in ("image_auroc", "pixel_auroc"):
        if metrics[name] is None:
            lines.append(f"{name}: undefined ({metrics[f'{name}_undefined']})")
        else:
            lines.append(f"{name}: {metrics[name]:.4f} (without learning: {metrics[f'trivial_{name}']:.4f})")
    return "\n".join([*lines, *apart_lines(metrics)])


def _image_measures(values: NDArray[np.float32], label: NDArray[np.bool_], types: NDArray[np.str_]) -> dict[str, Any]:
    metrics: dict[str, Any] = named("image", ranking(values[~label], values[label]))
    if metrics["image_auroc"] is None:
        metrics["image_auroc_undefined"] = missing("test images", bool((~label).any()), bool(label.any()))
    for defect_type in sorted(set(types[label].tolist())):
        metrics |= named("image", ranking(values[~label], values[types == defect_type]), f"_{defect_type}")
    return metrics


def _pixel_counts(maps: Tensor, mask: Tensor, judged: Tensor, types: NDArray[np.str_]) -> dict[str, Counts]:
    """Count the pixels of each defect type together with the good images, and the pixels of all images."""
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

    metrics: dict[str, Any] = named("pixel", measures("all"))
    if metrics["pixel_auroc"] is None:
        lost = missing("test pixels", bool((judged & ~mask).any()), bool((judged & mask).any()))
        reason = lost if judged.any() else "no ground_truth masks" if len(maps) else "no test images"
        metrics["pixel_auroc_undefined"] = reason
    for defect_type in [name for name in pixels if name != "all"]:
        metrics |= named("pixel", measures(defect_type), f"_{defect_type}")
    return metrics


def threshold_facts(kind: str, thresholds: Thresholds, networks: int, find: Callable[[], Threshold]) -> dict[str, Any]:
    """Find a threshold, and return it for metrics.json: `<kind>_threshold`, its rate, its interval, or why it is null.

    Args:
        kind: "image" or "pixel".
        thresholds: rates of false alarms.
        networks: number of networks that scored the normal images; there is no interval for several.
        find: function that finds the threshold.
    """
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
