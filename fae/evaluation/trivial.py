"""What statistics without learning reach on the test images, for comparison."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fae.data.split import Split
from fae.metric.auroc import auroc
from fae.metric.trivial import IMAGE_STATISTICS, PIXEL_STATISTICS, Statistic

_TOGETHER = 16  # images


def trivial(test: Split, label: NDArray[np.bool_], mask: Tensor, judged: Tensor) -> dict[str, Any]:
    """Return the AUROC of each statistic, in the direction that gives the higher value.

    Args:
        test: the test images.
        label: `(N,)` bool, True for anomalous images.
        mask: `(N, 1, H, W)` bool, True on defects.
        judged: `(N, 1, H, W)` bool, False where a pixel takes no part in the metrics.
    """
    metrics: dict[str, Any] = {}
    parts = torch.split(torch.arange(len(label)), _TOGETHER)

    def every(statistic: Statistic) -> Tensor:
        return torch.cat([statistic(test.image[which].float() / 255, test.roi_of(which)) for which in parts])

    if len(label):
        for name, statistic in IMAGE_STATISTICS.items():
            values = every(statistic).numpy()
            metrics[f"trivial_image_auroc_{name}"] = _either(auroc(values[~label], values[label]))
    if judged.any():
        for name, statistic in PIXEL_STATISTICS.items():
            maps = every(statistic)
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
