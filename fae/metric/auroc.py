import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric


def auroc(normal: NDArray[np.float32], anomalous: NDArray[np.float32]) -> float | None:
    """Exact area under the ROC curve: P(anomalous > normal) + ½ P(equal).

    Args:
        normal: `(N,)` scores of the negatives, any finite range.
        anomalous: `(P,)` scores of the positives.

    Returns:
        a fraction in [0, 1], or None where a class is empty.
    """
    if normal.size == 0 or anomalous.size == 0:
        return None
    ordered = np.sort(normal)
    below = np.searchsorted(ordered, anomalous, side="left").astype(np.float64)
    not_above = np.searchsorted(ordered, anomalous, side="right").astype(np.float64)
    return float((below + not_above).sum() / (2.0 * normal.size * anomalous.size))


class AUROC(Metric):
    """Exact AUROC as a torchmetrics metric: scores as they are, no sigmoid, no binning."""

    full_state_update = False
    higher_is_better = True
    normal: list[Tensor]
    anomalous: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("normal", default=[], dist_reduce_fx="cat")
        self.add_state("anomalous", default=[], dist_reduce_fx="cat")

    def update(self, score: Tensor, target: Tensor) -> None:
        """Add scores and bool targets of one common shape; True is anomalous."""
        score = score.detach().float()
        self.normal.append(score[~target])
        self.anomalous.append(score[target])

    def compute(self) -> Tensor:
        """The area, a scalar in [0, 1]; NaN where a class is missing."""
        normal, anomalous = (torch.cat(list(s)).cpu().numpy() for s in (self.normal, self.anomalous))
        value = auroc(normal, anomalous)
        return torch.tensor(float("nan") if value is None else value)
