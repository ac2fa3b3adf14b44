"""The facts about a run that metrics.json holds besides its measures."""

from typing import Any

from omegaconf import DictConfig

from fae.data.module import DataModule
from fae.run.identity import lam_of, objective_name
from fae.score.score import Score


def facts(cfg: DictConfig, data: DataModule, score: Score) -> dict[str, Any]:
    """Return what was trained, on which data, and how the choices were made."""
    return {
        "dataset": data.index.dataset,
        "category": cfg.category.name,
        "objective": objective_name(cfg),
        "corruption": data.preparation.corruption.name,
        "noise_sigma": data.preparation.noise_sigma,
        "lam": lam_of(cfg),
        "k": score.k,
        "n": score.n,
        "t": score.t,
        "space": str(cfg.space.name),
        "head": str(cfg.head.name),
        "residual": score.residual.name,
        "rule": score.rule.name,
        "image_score": score.image_score.name,
        "image_size": list(data.image_size or ()),
        "seed": cfg.seed,
        "precision": str(cfg.trainer.precision),
        "protocol": "fixed: k, n, t, residual and image score as configured",
        "train_images": len(data.train.samples),
        "val_images": len(data.val.samples),
        "test_images": len(data.test.samples),
        "notes": list(data.notes),
    }
