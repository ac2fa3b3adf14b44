"""What each level of a space, and the head, would find alone."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fae.data.module import DataModule
from fae.metric.auroc import auroc
from fae.metric.streaming import StreamingPixelMetrics
from fae.picture.panel import Part, colour_limit
from fae.score.score import Score, calibrate_image_score, image_scores


class Levels(NamedTuple):
    """What the network makes of the held-out normal images and of the test images, before any score."""

    names: tuple[str, ...]
    """The names of the L levels, the head's among them."""
    shows: str
    """What a picture of a reconstruction shows, in words."""
    val: Tensor
    """`(V, L, h, w)` residuals of each level, and the head's evidence, of the held-out normal images."""
    test: Tensor
    """`(N, L, h, w)` residuals of each level, and the head's evidence, of the test images."""


class Alone(NamedTuple):
    """The maps and the scores that one level makes alone."""

    shown: Part
    image_score: NDArray[np.float32]
    """`(N,)` scores of the test images."""


def parts_of(levels: Levels, data: DataModule, score: Score) -> list[Alone]:
    """Smooth and score each level alone, as the map of all is; nothing for a single level.

    Args:
        levels: levels of the held-out images, on which the image score is calibrated, and of the test images.
        data: data module after `setup`.
        score: score of the run.
    """
    if len(levels.names) == 1 or not len(levels.test):
        return []
    inside, parts = data.test.content, []
    for i, name in enumerate(levels.names):
        image_score = deepcopy(score.image_score)
        both = ((levels.val, data.val.roi), (levels.test, data.test.roi))
        normal, maps = (score.smoothed(one[:, i : i + 1], inside.shape[-2:], roi) for one, roi in both)
        calibrate_image_score(image_score, normal, data.val.content)
        maps = maps * inside
        values = image_scores(image_score, maps, inside).numpy()
        parts.append(Alone(Part(name, maps, colour_limit(maps, data.test.roi)), values))
    return parts


def measures_of(parts: Sequence[Alone], data: DataModule) -> dict[str, Any]:
    """Return `image_auroc_of_<level>` and `pixel_auroc_of_<level>` for metrics.json, null if a class is missing."""
    metrics: dict[str, Any] = {}
    label = np.array([sample.label for sample in data.test.samples], dtype=bool)
    judged = data.test.content & data.has_mask.view(-1, 1, 1, 1)
    for part in parts:
        name = part.shown.name.replace(" ", "")
        metrics[f"image_auroc_of_{name}"] = auroc(part.image_score[~label], part.image_score[label])
        found = StreamingPixelMetrics()
        found.update(part.shown.anomaly_map, data.mask, judged)
        metrics[f"pixel_auroc_of_{name}"] = found.here()["auroc"]
    return metrics
