"""Thresholds of an export, from normal images that the exported graph itself has scored."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from fae.data.split import Split
from fae.evaluation.measure import threshold_facts
from fae.export.contract import inputs_of
from fae.export.source import Source
from fae.score.threshold import Thresholds
from fae_runtime.engine import Engine, Scores

Facts = dict[str, Any]


def scored_alone(engine: Engine, dampings: list[str], source: Source) -> Scores:
    """Score each held-out image with the average map of the others, as a new image is by the average of all.

    Args:
        engine: the graph, with the factors of eq. 14 as inputs.
        dampings: the names of these inputs, one for each member whose maps are damped.
        source: runs with t > 0.
    """
    split = source.run.data.val
    content = split.content if source.content else None
    damped = [i for i, member in enumerate(source.members) if member.score.t > 0]

    def each() -> Iterator[Scores]:
        for i, factors in enumerate(source.own_dampings()):
            inputs = inputs_of(split.image[i : i + 1], None if content is None else content[i : i + 1])
            own = {name: factors[place].numpy() for name, place in zip(dampings, damped, strict=True)}
            yield engine(inputs | own)

    return Scores(*(np.concatenate(part) for part in zip(*each(), strict=True)))


def thresholds_of(thresholds: Thresholds, found: Scores, split: Split) -> Facts:
    """Find the thresholds for images and pixels.

    Returns:
        `image_threshold`, `pixel_threshold`, their rates, and the reason where one is None.
    """
    maps = torch.from_numpy(found.anomaly_map).unsqueeze(1)
    return threshold_facts("image", thresholds, 1, lambda: thresholds.image(found.score)) | threshold_facts(
        "pixel", thresholds, 1, lambda: thresholds.pixel(maps, split.content)
    )
