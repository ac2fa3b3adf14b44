"""How well a run finds damage of kinds that it was not trained on, beside statistics without learning."""

from collections.abc import Iterable, Mapping
from typing import Any

import lightning
import numpy as np
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
        damage: synthetic damage of kinds that the training left out; if it has `members`, each counts alike.

    Returns:
        entries for metrics.json: the name of the damage; the AUROC of the damaged pixels by the anomaly map, for each
        kind and in the mean; the mean of the best statistic without learning, in one direction for all kinds; and what
        to try if the run learned next to nothing.
    """
    kinds: Mapping[str, Corruption] = getattr(damage, "members", {damage.name: damage})
    found = {kind: _found(trainer, module, data, score, one) for kind, one in kinds.items()}
    own = {kind: values["own"] for kind, values in found.items() if values["own"] is not None}
    facts: dict[str, Any] = {"unseen_damage": damage.name} | {f"{FOUND}_{kind}": own.get(kind) for kind in kinds}
    if not own:  # no pixel is damaged
        return facts | {FOUND: None, TRIVIAL: None, WARNING: None}
    value = _mean(own.values())
    # Where the map has an AUROC each statistic has one, too, because they judge the same pixels.
    of_kinds = [[other for kind in own if (other := found[kind][name]) is not None] for name in PIXEL_STATISTICS]
    statistics = [_mean(others) for others in of_kinds]
    best = max(max(one, 1 - one) for one in statistics)
    return facts | {FOUND: value, TRIVIAL: best, WARNING: _warning(value, best, module.network.space.name)}


def _found(
    trainer: lightning.Trainer, module: AnomalyAutoencoder, data: DataModule, score: Score, damage: Corruption
) -> dict[str, float | None]:
    """Return the AUROC of the damaged pixels by the anomaly map, "own", and by each statistic; None if undefined."""
    device = trainer.strategy.root_device
    network = module.network.to(device).eval()
    metrics = {name: StreamingPixelMetrics() for name in ("own", *PIXEL_STATISTICS)}
    content = torch.split(data.val.content.repeat(data.val_corruptions, 1, 1, 1), data.batch_size)
    for batch, inside in zip(data.damaged(damage), content, strict=True):
        with torch.inference_mode(), trainer.precision_plugin.forward_context():
            roi = None if batch.roi is None else batch.roi.to(device)
            levels = network(batch.corrupted.to(device), module.residual, roi=roi).levels.cpu()
        damaged = batch.corruption_mask > 0.5
        maps = score.anomaly_map(score.combined(levels, batch.corrupted.shape[-2:], batch.roi), batch.roi)
        metrics["own"].update(maps, damaged, inside)
        for name, statistic in PIXEL_STATISTICS.items():
            metrics[name].update(statistic(batch.corrupted, batch.roi), damaged, inside)
    return {name: metric.here()["auroc"] for name, metric in metrics.items()}


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _warning(value: float, trivial: float, space: str) -> str | None:
    if value > max(_NEAR_CHANCE, trivial):
        return None
    than = "chance" if value <= _NEAR_CHANCE else "a statistic without learning"
    remedies = ["experiment=features"] * (space == "pixel") + ["a longer training", "another objective"]
    return (
        f"this run finds damage of kinds that it was not trained on no better than {than}, so that such defects may "
        f"escape it; try {', '.join(remedies[:-1])} or {remedies[-1]}"
    )


def told(metrics: Mapping[str, Any]) -> str:
    """Return one line that tells how well unseen damage is found, and a second one that warns of a poor run."""
    if metrics[FOUND] is None:
        return "damage of unseen kinds: undefined (no pixel of the held-out images was damaged)"
    kinds = [
        f"{key.removeprefix(f'{FOUND}_')} {value:.2f}"
        for key, value in metrics.items()
        if key.startswith(f"{FOUND}_") and value is not None
    ]
    line = f"damage of unseen kinds: pixel AUROC {metrics[FOUND]:.4f} (without learning: {metrics[TRIVIAL]:.4f})"
    line = f"{line}; {', '.join(kinds)}" if len(kinds) > 1 else line
    return line if metrics[WARNING] is None else f"{line}\nNOTE: {metrics[WARNING]}"
