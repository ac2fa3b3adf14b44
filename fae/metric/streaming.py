import torch
from torch import Tensor
from torchmetrics import Metric

from fae.metric.aupro import region_weights
from fae.metric.counts import BITS, Counts, bins
from fae.metric.pixel import MEASURES, counted

_CHUNK = 1 << 22  # scores at a time, so that the indices take little memory


class StreamingPixelMetrics(Metric):
    """AUROC, average precision, best F1 and AUPRO of any number of pixels in constant memory, with their error bounds.

    Keeps counts a bin, which add up over batches and processes: of normal and anomalous pixels, and of the latter
    weighted by region. Scores are taken as they are: no sigmoid, no range, any sign; what shares a bin counts as tied.

    Args:
        bits: see `fae.metric.counts.bins`; the memory is 48 bytes × 2**bits.
        regions: whether to look for connected regions, which AUPRO needs.

    Raises:
        ValueError: an argument is outside its domain.
    """

    full_state_update = False
    normal: Tensor
    anomalous: Tensor
    region: Tensor

    def __init__(self, bits: int = BITS, regions: bool = False) -> None:
        super().__init__()
        if not 10 <= bits <= 24:
            raise ValueError(f"bits (={bits}) must lie in 10 to 24; at 20 the stated errors are around 1e-4")
        self.bits, self.regions = bits, regions
        for name, kind in (("normal", torch.int64), ("anomalous", torch.int64), ("region", torch.float64)):
            self.add_state(name, default=torch.zeros(1 << bits, dtype=kind), dist_reduce_fx="sum")

    def update(self, score: Tensor, target: Tensor, judged: Tensor | None = None) -> None:
        """Add pixels.

        Args:
            score: finite or infinite, any shape, `(B, 1, H, W)` with `regions`; higher means more anomalous.
            target: same shape, bool; True is anomalous.
            judged: same shape, bool; False keeps a pixel out. A region counts as it is, as far as it is judged.

        Raises:
            ValueError: a score is NaN.
        """
        size = 1 << self.bits
        weight = torch.from_numpy(region_weights(target.squeeze(1).cpu().numpy())) if self.regions else None
        if judged is not None and not judged.all():
            weight = None if weight is None else weight[judged[target]]
            score, target = score[judged], target[judged]
        score, target = score.detach().float().flatten(), target.flatten()
        normal = torch.zeros(size, dtype=torch.int64, device=score.device)
        for part in torch.split(score, _CHUNK):
            normal += torch.bincount(bins(part, self.bits), minlength=size)
        ends = bins(torch.tensor([-torch.inf, torch.inf]), self.bits).tolist()
        if normal[: ends[0]].any() or normal[ends[1] + 1 :].any():
            raise ValueError("a score is NaN; look for the first step whose loss is NaN, too")
        found = bins(score[target], self.bits)
        anomalous = torch.bincount(found, minlength=size)
        self.normal += normal - anomalous
        self.anomalous += anomalous
        if weight is not None:
            self.region += torch.bincount(found, weight.to(found.device), minlength=size)

    def counts(self) -> Counts:
        """What has been counted so far."""
        return Counts.of(*(state.cpu().numpy() for state in (self.normal, self.anomalous, self.region)))

    def compute(self) -> dict[str, Tensor]:
        """Scalars `auroc`, `average_precision`, `best_f1`, with `regions` `aupro_0.3` and `aupro_0.05`.

        An `…_error` beside each, by which the exact value differs at most; and `threshold_of_best_f1`. NaN where a
        class is missing.
        """
        values = counted(self.counts(), self.bits)
        undefined, by_region = float("nan"), {measure.name for measure in MEASURES if measure.by_region}
        return {
            name: torch.tensor(undefined if value is None else value, dtype=torch.float64)
            for name, value in values.items()
            if self.regions or name.removesuffix("_error") not in by_region
        }
