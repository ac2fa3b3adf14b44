"""All pixel metrics of some images, by either engine; a fraction each, None where a class is missing."""

import numpy as np
from numpy.typing import NDArray

from fae.metric.aupro import LIMITS, aupro_of, region_weights
from fae.metric.auroc import auroc_of
from fae.metric.counts import BITS, Counts, lower_edge
from fae.metric.counts import aupro as counted_aupro
from fae.metric.counts import auroc as counted_auroc
from fae.metric.counts import average_precision as counted_average_precision
from fae.metric.counts import best_f1 as counted_best_f1
from fae.metric.precision_recall import average_precision_of, best_f1_of
from fae.metric.ranks import Ranks

ENGINES = ("exact", "streaming")
"""Sort all scores, or count them in bins; see `fae.metric.counts`."""


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


def ranking(normal: NDArray[np.float32], anomalous: NDArray[np.float32]) -> dict[str, float | None]:
    """Exact AUROC, average precision, and best F1 with its threshold, of scores `(N,)` and `(P,)`."""
    return _ranking(Ranks.of(normal, anomalous))


def _ranking(ranks: Ranks) -> dict[str, float | None]:
    f1 = best_f1_of(ranks)
    return {
        "auroc": auroc_of(ranks),
        "average_precision": average_precision_of(ranks),
        "best_f1": f1.value if f1 else None,
        "threshold_of_best_f1": f1.threshold if f1 else None,
    }


def exact(
    anomaly_map: NDArray[np.float32], mask: NDArray[np.bool_], judged: NDArray[np.bool_]
) -> dict[str, float | None]:
    """By sorting all pixels; maps, masks and what is judged are `(N, H, W)`."""
    ranks = Ranks.of(anomaly_map[judged & ~mask], anomaly_map[judged & mask])
    weight = region_weights(mask)[judged[mask]]
    overlap = {f"aupro_{limit}": aupro_of(ranks, weight, limit) for limit in LIMITS}
    return _ranking(ranks) | overlap


def counted(counts: Counts, bits: int = BITS) -> dict[str, float | None]:
    """From counts; the exact value of each differs by its `…_error` at most."""
    f1, threshold = counted_best_f1(counts)
    measures = {"auroc": counted_auroc(counts), "average_precision": counted_average_precision(counts), "best_f1": f1}
    measures |= {f"aupro_{limit}": counted_aupro(counts, limit) for limit in LIMITS}
    values: dict[str, float | None] = {name: measure.value for name, measure in measures.items()}
    values |= {f"{name}_error": measure.error for name, measure in measures.items()}
    if threshold is None:
        return dict.fromkeys([*values, "threshold_of_best_f1"])
    return values | {"threshold_of_best_f1": lower_edge(threshold, bits)}
