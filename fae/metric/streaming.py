import torch
from torch import Tensor
from torchmetrics import Metric

from fae.metric.aupro import region_weights
from fae.metric.counts import BITS, Counts, bins
from fae.metric.pixel import MEASURES, counted

_CHUNK = 1 << 22  # scores that are counted at a time; a small number keeps the memory for bin indices small


class StreamingPixelMetrics(Metric):
    """AUROC, average precision, best F1 and AUPRO of any number of pixels in constant memory, with their error bounds.

    For each bin the metric counts the normal pixels, the anomalous pixels, and the anomalous pixels weighted by region.
    These counts add up over batches and processes. Scores are taken as they are: they may have any sign and scale, and
    no sigmoid is applied. Scores that share a bin count as tied.

    Args:
        bits: number of leading bits that tell scores apart, 10 to 24; see `fae.metric.counts.bins`. The metric takes
            48 bytes × 2**bits of memory.
        regions: whether to find connected regions, which AUPRO needs.

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
            score: scores of the pixels, finite or infinite; higher means more anomalous. The shape is `(B, 1, H, W)`
                with `regions`, and any shape without.
            target: bool tensor with the shape of `score`; True marks an anomalous pixel.
            judged: bool tensor with the shape of `score`; False excludes a pixel. The weight of a judged pixel still
                comes from the whole area of its region.

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
            raise ValueError("a score is NaN; look for the first training step whose loss is NaN")
        found = bins(score[target], self.bits)
        anomalous = torch.bincount(found, minlength=size)
        self.normal += normal - anomalous
        self.anomalous += anomalous
        if weight is not None:
            self.region += torch.bincount(found, weight.to(found.device), minlength=size)

    def counts(self) -> Counts:
        """Return what has been counted so far."""
        return Counts.of(*(state.cpu().numpy() for state in (self.normal, self.anomalous, self.region)))

    def here(self) -> dict[str, float | None]:
        """Return the measures of what this process has counted, without asking other processes; None if undefined."""
        return counted(self.counts(), self.bits)

    def compute(self) -> dict[str, Tensor]:
        """Return the scalars `auroc`, `average_precision` and `best_f1`.

        With `regions`, `aupro_0.3` and `aupro_0.05` are returned, too. The `…_error` beside each is the most by which
        the exact value can differ. `threshold_of_best_f1` is always returned. All values are NaN if a class is missing.
        """
        values = counted(self.counts(), self.bits)
        undefined, by_region = float("nan"), {measure.name for measure in MEASURES if measure.by_region}
        return {
            name: torch.tensor(undefined if value is None else value, dtype=torch.float64)
            for name, value in values.items()
            if self.regions or name.removesuffix("_error") not in by_region
        }
