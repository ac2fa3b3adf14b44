"""How well a run finds damage of kinds that it was not trained on, beside statistics without learning."""

from collections.abc import Mapping
from typing import Any

import lightning
import torch

from fae.data.module import DataModule
from fae.metric.streaming import StreamingPixelMetrics
from fae.metric.trivial import PIXEL_STATISTICS
from fae.module import AnomalyAutoencoder
from fae.score.score import Score
from fae.types import Corruption

FOUND, TRIVIAL, WARNING = "unseen_pixel_auroc", "trivial_unseen_pixel_auroc", "unseen_warning"
_NEAR_CHANCE = 0.6


def find_unseen(
    trainer: lightning.Trainer, module: AnomalyAutoencoder, data: DataModule, score: Score, damage: Corruption
) -> dict[str, Any]:
    """Damage the held-out normal images, and measure how well the damaged pixels are found.

    No defect is needed, and no label. The network is used in this process alone, in the precision of the trainer.

    Args:
        trainer: trainer of the run.
        module: trained module.
        data: data module after `setup`.
        score: calibrated score.
        damage: synthetic damage, of kinds that the training left out.

    Returns:
        entries for metrics.json: the name of the damage, the AUROC of the damaged pixels by the anomaly map, the best
        AUROC of the statistics without learning, each in the direction that gives the higher value, and what to try if
        the run learned next to nothing.
    """
    device = trainer.strategy.root_device
    network = module.network.to(device).eval()
    found = StreamingPixelMetrics()
    trivial = {name: StreamingPixelMetrics() for name in PIXEL_STATISTICS}
    content = torch.split(data.val.content.repeat(data.val_corruptions, 1, 1, 1), data.batch_size)
    for batch, inside in zip(data.damaged(damage), content, strict=True):
        with torch.inference_mode(), trainer.precision_plugin.forward_context():
            levels = network(batch.corrupted.to(device), module.residual).levels.cpu()
        damaged = batch.corruption_mask > 0.5
        maps = score.anomaly_map(score.combined(levels, batch.corrupted.shape[-2:]))
        found.update(maps, damaged, inside)
        for name, statistic in PIXEL_STATISTICS.items():
            trivial[name].update(statistic(batch.corrupted), damaged, inside)
    value = found.here()["auroc"]
    if value is None:  # no pixel is damaged
        return {"unseen_damage": damage.name, FOUND: None, TRIVIAL: None, WARNING: None}
    others = [other for metric in trivial.values() if (other := metric.here()["auroc"]) is not None]
    best = max(max(other, 1 - other) for other in others)
    return {
        "unseen_damage": damage.name,
        FOUND: value,
        TRIVIAL: best,
        WARNING: _warning(value, best, module.network.space.name),
    }


def _warning(value: float, trivial: float, space: str) -> str | None:
    if value > max(_NEAR_CHANCE, trivial):
        return None
    than = "chance" if value <= _NEAR_CHANCE else "a statistic without learning"
    remedies = ["experiment=features"] * (space == "pixel") + ["a longer training", "another objective"]
    return (
        f"this run finds damage of kinds that it was not trained on no better than {than}, so expect little of it on "
        f"defects; try {', '.join(remedies[:-1])} or {remedies[-1]}"
    )


def told(metrics: Mapping[str, Any]) -> str:
    """Return one line that tells how well unseen damage is found, and a second one that warns of a poor run."""
    if metrics[FOUND] is None:
        return "damage of unseen kinds: undefined (no pixel of the held-out images was damaged)"
    line = f"damage of unseen kinds: pixel AUROC {metrics[FOUND]:.4f} (without learning: {metrics[TRIVIAL]:.4f})"
    return line if metrics[WARNING] is None else f"{line}\nNOTE: {metrics[WARNING]}"
