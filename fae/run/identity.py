"""The identity of a run: the values of its configuration that determine the result, and hashes of these values."""

import hashlib
import json
from typing import Any

from omegaconf import DictConfig, OmegaConf

# These keys say where a run lies, how it is shown, and whether a GPU's kernels are compiled. Compiled kernels round
# differently, and metrics.json says whether they were used. space.keep limits memory, and 0 rounds differently. A run
# may be resumed with other values of these keys.
_PRESENTATION = (
    *("run_dir", "cache_dir", "logger", "tags", "pictures"),
    *("callback.progress", "callback.learning_rate", "callback.finite", "callback.last", "callback.best.dirpath"),
    *("callback.history", "callback.reconstructions", "callback.compiled"),
    *("trainer.enable_progress_bar", "trainer.log_every_n_steps", "space.keep"),
    # The fingerprint identifies the data and the regions of interest, wherever they lie.
    *("data.root", "data.extra", "data.roi", "data.source.default_root", "data.source.cache_dir", "data.cache_dir"),
)

_ADDED = ("continue_from",)
"""The keys that runs of older versions lack; null, which they then stand for, changes no hash."""

# These keys concern the use of a network that is trained already.
_SCORING = (
    *("score.k", "score.n", "score.t", "score.image_score", "score.rule", "threshold", "engine", "metric", "unseen"),
    "data.twins",
    *("category.k", "category.n", "category.t"),
)


def resolved(cfg: DictConfig) -> dict[str, Any]:
    """Return the composed configuration as plain values."""
    plain = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def identity(plain: dict[str, Any]) -> dict[str, Any]:
    """Return the values that determine the result, by flat keys."""
    flat: dict[str, Any] = {}

    def walk(path: str, value: Any) -> None:
        if isinstance(value, dict) and value:
            for key, child in value.items():
                walk(f"{path}.{key}" if path else str(key), child)
        else:
            flat[path] = value

    walk("", {key: value for key, value in plain.items() if key not in _ADDED or value is not None})
    return _without(flat, _PRESENTATION)


def _without(flat: dict[str, Any], groups: tuple[str, ...]) -> dict[str, Any]:
    return {
        key: value
        for key, value in flat.items()
        if not any(key == group or key.startswith(f"{group}.") for group in groups)
    }


def config_hash(cfg: DictConfig, fingerprint: str) -> str:
    """Return a hash of eight hexadecimal digits of what determines the result: configuration and data."""
    return _digest(identity(resolved(cfg)) | {"data": fingerprint})


def training_hash(cfg: DictConfig, fingerprint: str) -> str:
    """Return a hash like `config_hash`, but of what determines the weights: without k, n, t and thresholds."""
    return _digest(_without(identity(resolved(cfg)), _SCORING) | {"data": fingerprint})


def _digest(plain: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:8]


def objective_name(cfg: DictConfig) -> str:
    """Return the name of the objective's class in lower case."""
    return str(cfg.objective._target_).rsplit(".", 1)[-1].lower()


def lam_of(cfg: DictConfig) -> float | None:
    """Return the objective's λ, or None for an objective without λ."""
    lam = cfg.objective.get("lam")
    return None if lam is None else float(lam)


def slug(cfg: DictConfig, dataset: str) -> str:
    """Return a readable name of a run: data, space unless it is that of the pixels, objective, λ if any, and seed."""
    lam = lam_of(cfg)
    weight = "" if lam is None else f"-lam{lam:g}"
    space = "" if cfg.space.name == "pixel" else f"-{cfg.space.name}"
    return f"{dataset.replace(':', '-')}{space}-{objective_name(cfg)}{weight}-seed{cfg.seed}"
