import math

import torch
from torch import Tensor

from fae.score.image_score import Contrast, Excess, Max, Sum, Top
from fae.types import ImageScore


def masked_score(score: ImageScore, anomaly_map: Tensor, content: Tensor) -> Tensor:
    """Score each image by the part of its map that is judged, as `fae.score.score.image_scores` does.

    That function cuts the part out, so that its shapes depend on the data; a graph cannot do that.

    Args:
        score: one of the image scores of `fae.score.image_score`, calibrated if it needs to be.
        anomaly_map: `(B, 1, H, W)` maps, >= 0, and 0 where `content` is False.
        content: `(B, 1, H, W)` bool, True in at least one pixel of each image.

    Returns:
        `(B,)` scores.

    Raises:
        ValueError: the image score is another one.
    """
    pixels, judged = anomaly_map.flatten(1), content.flatten(1)
    if isinstance(score, Sum | Max):
        return score(anomaly_map)
    if isinstance(score, Excess):
        assert score.level is not None
        return (torch.relu(pixels - score.level) * judged).sum(dim=1)
    if not isinstance(score, Top | Contrast):
        raise ValueError(
            f"score.image_score (={score.name}) cannot be exported where a part of the image is not judged; use sum, "
            "max, top, contrast or excess, or data.aspect=stretch"
        )
    fraction = score.fraction if isinstance(score, Top) else score.top.fraction
    size = pixels.shape[1]
    count = judged.sum(dim=1, keepdim=True)
    # The number of the highest pixels for every possible count: a graph's float32 would round some of them otherwise.
    highest = torch.tensor([max(1, math.ceil(fraction * n)) for n in range(size + 1)])[count]
    falling = torch.where(judged, pixels, -1.0).sort(dim=1, descending=True).values
    top = (falling * (torch.arange(size) < highest)).sum(dim=1) / highest.squeeze(1)
    if isinstance(score, Top):
        return top
    return top / falling.gather(1, count // 2).squeeze(1).clamp_min(1e-12)
