"""The folder of a run: its name, and whether it is new, interrupted or finished."""

import hashlib
import json
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from fae.files import write_text

CONFIG, METRICS, LAST, BEST = "config.yaml", "metrics.json", "last.ckpt", "best.ckpt"

# Where a run lies and how it is shown; they change no result, so a run may go on with others.
_PRESENTATION = ("run_dir", "cache_dir", "logger", "tags", "pictures")


class State(Enum):
    """What a run folder holds."""

    NEW = "new"
    INTERRUPTED = "interrupted"
    FINISHED = "finished"


def resolved(cfg: DictConfig) -> dict[str, Any]:
    """The composed configuration as plain values."""
    plain = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _identity(plain: dict[str, Any]) -> dict[str, Any]:
    """What determines the result: flat keys to values."""
    flat: dict[str, Any] = {}

    def walk(path: str, value: Any) -> None:
        if isinstance(value, dict) and value:
            for key, child in value.items():
                walk(f"{path}.{key}" if path else str(key), child)
        else:
            flat[path] = value

    kept = {key: value for key, value in plain.items() if key not in _PRESENTATION}
    kept["callback"] = {
        name: {key: value for key, value in leaf.items() if key not in ("dirpath", "path")}
        for name, leaf in (plain.get("callback") or {}).items()
    }
    walk("", kept)
    for key in ("data.root", "data.source.cache_dir"):  # a moved data set is the same data set
        flat.pop(key, None)
    return flat


def config_hash(cfg: DictConfig) -> str:
    """Eight hexadecimal digits of what determines the result."""
    text = json.dumps(_identity(resolved(cfg)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def objective_name(cfg: DictConfig) -> str:
    """The objective's class in lower case."""
    return str(cfg.objective._target_).rsplit(".", 1)[-1].lower()


def slug(cfg: DictConfig, dataset: str) -> str:
    """A readable name: data, objective, λ and seed."""
    return f"{dataset.replace(':', '-')}-{objective_name(cfg)}-lam{cfg.objective.lam:g}-seed{cfg.seed}"


def new_run_dir(cfg: DictConfig, dataset: str, sweep_dir: str | None) -> Path:
    """Name a run's folder: by its hash in a sweep, so that repeating it finds it again; by the time otherwise."""
    name = slug(cfg, dataset)
    if sweep_dir is not None:
        return Path(sweep_dir) / f"{name}-{config_hash(cfg)}"
    return Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"


def state(run_dir: Path, cfg: DictConfig) -> State:
    """Look at a run's folder; changes nothing.

    Raises:
        ValueError: it belongs to a run with another configuration, or holds files of something else.
    """
    # Hidden files are drafts that a killed process left; see fae.files.
    if not run_dir.exists() or all(path.name.startswith(".") for path in run_dir.iterdir()):
        return State.NEW
    stored = run_dir / CONFIG
    if not stored.is_file():
        raise ValueError(f"run_dir (={run_dir}) holds files but no {CONFIG}: not a run; choose another folder")
    before = OmegaConf.load(stored)
    assert isinstance(before, DictConfig)
    old, new = _identity(resolved(before)), _identity(resolved(cfg))
    changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    if changed:
        detail = ", ".join(f"{key} {old.get(key)} → {new.get(key)}" for key in changed[:5])
        raise ValueError(f"run_dir (={run_dir}) belongs to another configuration ({detail}); choose another folder")
    return State.FINISHED if (run_dir / METRICS).is_file() else State.INTERRUPTED


def claim(run_dir: Path, cfg: DictConfig) -> None:
    """Create the folder and write the composed configuration into it."""
    run_dir.mkdir(parents=True, exist_ok=True)
    write_text(run_dir / CONFIG, OmegaConf.to_yaml(OmegaConf.create(resolved(cfg))))
