"""AUROC of scores that lie beside their labels."""

import numpy as np

from fae.metric.auroc import auroc


def ranked(scores: np.ndarray, positive: np.ndarray) -> float:
    """`(N,)` both, positive bool; NaN where a class is missing."""
    value = auroc(scores[~positive].astype(np.float32), scores[positive].astype(np.float32))
    return float("nan") if value is None else value
