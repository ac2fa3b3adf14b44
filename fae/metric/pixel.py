"""All pixel metrics of some images, by either engine; each is a fraction, or None if a class is missing."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fae.metric.aupro import LIMITS, aupro_of, region_weights
from fae.metric.auroc import auroc_of
from fae.metric.counts import BITS, Bounded, Counts, lower_edge
from fae.metric.counts import aupro as counted_aupro
from fae.metric.counts import auroc as counted_auroc
from fae.metric.counts import average_precision as counted_average_precision
from fae.metric.counts import best_f1 as counted_best_f1
from fae.metric.precision_recall import average_precision_of, best_f1_of
from fae.metric.ranks import Ranks

ENGINES = ("exact", "streaming")
"""The exact engine sorts all scores; the streaming engine counts them in bins, see `fae.metric.counts`."""


def check_engine(engine: str) -> str:
    """Return `engine`.

    Raises:
        ValueError: there is no such engine.
    """
    if engine not in ENGINES:
        raise ValueError(
            f"engine (={engine!r}) must be exact, which sorts, or streaming, which counts in constant memory"
        )
    return engine


class Measure(NamedTuple):
    """A measure of pixels, with a function for each engine."""

    name: str
    title: str
    """The name in tables and legends."""
    exact: Callable[[Ranks, NDArray[np.float64]], float | None]
    """The function of the ranks and of the anomalous pixels' weights; see `fae.metric.aupro.region_weights`."""
    counted: Callable[[Counts], Bounded]
    by_region: bool = False
    """Whether the measure needs connected regions; such a measure is undefined for images."""

    def key(self, kind: str) -> str:
        """Return the name in metrics.json: `pixel_auroc` or `image_auroc`, but `aupro_0.3` without the kind.

        Measures of regions always concern pixels.
        """
        return self.name if self.by_region else f"{kind}_{self.name}"


def _best_f1(ranks: Ranks, weight: NDArray[np.float64]) -> float | None:
    f1 = best_f1_of(ranks)
    return f1.value if f1 else None


def _aupro(limit: float) -> Measure:
    return Measure(
        f"aupro_{limit}",
        f"AUPRO({limit})",
        lambda ranks, weight: aupro_of(ranks, weight, limit),
        lambda counts: counted_aupro(counts, limit),
        by_region=True,
    )


MEASURES = (
    Measure("auroc", "AUROC", lambda ranks, _: auroc_of(ranks), counted_auroc),
    Measure(
        "average_precision",
        "average precision",
        lambda ranks, _: average_precision_of(ranks),
        counted_average_precision,
    ),
    Measure("best_f1", "best F1", _best_f1, lambda counts: counted_best_f1(counts)[0]),
    *(_aupro(limit) for limit in LIMITS),
)
"""All measures of pixels; those that need no regions are measures of images, too.

Results, tables, report and dashboard read the names here."""


def ranking(normal: NDArray[np.float32], anomalous: NDArray[np.float32]) -> dict[str, float | None]:
    """Return the exact measures without regions, and the threshold of the best F1, of scores `(N,)` and `(P,)`."""
    return _exact(Ranks.of(normal, anomalous), None)


def exact(
    anomaly_map: NDArray[np.float32], mask: NDArray[np.bool_], judged: NDArray[np.bool_]
) -> dict[str, float | None]:
    """Return all measures by sorting all judged pixels; the three arrays have the shape `(N, H, W)`."""
    ranks = Ranks.of(anomaly_map[judged & ~mask], anomaly_map[judged & mask])
    return _exact(ranks, region_weights(mask)[judged[mask]])


def _exact(ranks: Ranks, weight: NDArray[np.float64] | None) -> dict[str, float | None]:
    f1 = best_f1_of(ranks)
    own = weight if weight is not None else np.zeros(0)
    found = {m.name: m.exact(ranks, own) for m in MEASURES if weight is not None or not m.by_region}
    return found | {"threshold_of_best_f1": f1.threshold if f1 else None}


def counted(counts: Counts, bits: int = BITS) -> dict[str, float | None]:
    """Return all measures from counts; each exact value differs by at most the measure's `…_error`."""
    measures = {measure.name: measure.counted(counts) for measure in MEASURES}
    values: dict[str, float | None] = {name: measure.value for name, measure in measures.items()}
    values |= {f"{name}_error": measure.error for name, measure in measures.items()}
    _, threshold = counted_best_f1(counts)
    if threshold is None:
        return dict.fromkeys([*values, "threshold_of_best_f1"])
    return values | {"threshold_of_best_f1": lower_edge(threshold, bits)}
