"""AUROC from scores and labels in one order."""

import numpy as np

from fae.metric.auroc import auroc


def ranked(scores: np.ndarray, positive: np.ndarray) -> float:
    """AUROC of `scores` `(N,)` against `positive` `(N,)` bool; NaN if a class is missing."""
    value = auroc(scores[~positive].astype(np.float32), scores[positive].astype(np.float32))
    return float("nan") if value is None else value
