from typing import Any

import numpy as np
from torch import Tensor

from fae.data.module import DataModule
from fae.metric.aupro import LIMITS
from fae.metric.spro import spro


def saturated(maps: Tensor, data: DataModule, judged: Tensor) -> dict[str, Any]:
    """Measure the saturated per-region overlap, of all defects and of each type; nothing where regions are unknown.

    The false positive rate counts the normal pixels of all good images and of the images of the type.

    Args:
        maps: `(N, 1, H, W)` maps of the test images.
        data: data module after `setup`.
        judged: `(N, 1, H, W)` bool, False where a pixel takes no part in the metrics.
    """
    if not data.regions:
        return {}
    types = np.array([sample.defect_type for sample in data.test.samples])
    flat = maps.flatten(1).numpy()
    normal = (judged & ~data.mask).flatten(1).numpy()
    metrics: dict[str, Any] = {}
    for kind in ("", *sorted({str(types[region.sample]) for region in data.regions})):
        chosen = (types == "good") | (types == kind) | (kind == "")
        regions = [(flat[one.sample][one.pixels], one.saturation) for one in data.regions if chosen[one.sample]]
        for limit in LIMITS:
            name = f"spro_{limit}" + (f"_{kind}" if kind else "")
            metrics[name] = spro(flat[chosen][normal[chosen]], regions, limit)
    return metrics
