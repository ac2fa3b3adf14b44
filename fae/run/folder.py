"""The folder of a run: its name, and whether it is new, interrupted or finished."""

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf

from fae.data.identity import Identity
from fae.machine.atomic import whole, write_text
from fae.run.identity import config_hash, identity, resolved, slug, training_hash

CONFIG, ORIGIN, METRICS, LAST, BEST = "config.yaml", "origin.json", "metrics.json", "last.ckpt", "best.ckpt"

_KNOWN_BY = "content"
"""What the fingerprint is made of."""


class State(Enum):
    """The state of a run's folder."""

    NEW = "new"
    INTERRUPTED = "interrupted"
    FINISHED = "finished"


def new_run_dir(cfg: DictConfig, data: Identity, sweep_dir: str | None) -> Path:
    """Name a run's folder by its hash, so that a repeated sweep finds it again; outside a sweep, add the time."""
    name = f"{slug(cfg, data.dataset)}-{config_hash(cfg, data.fingerprint)}"
    if sweep_dir is not None:
        return Path(sweep_dir) / name
    return Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"


def state(run_dir: Path, cfg: DictConfig, data: Identity) -> State:
    """Return the state of a run's folder, without changing the folder.

    Raises:
        ValueError: the folder belongs to a run with another configuration or other images, or to no run at all.
    """
    # Hidden files are the lock, and drafts that a killed process left, see fae.machine.atomic.
    if run_dir.is_file():
        raise ValueError(f"run_dir (={run_dir}) is a file; name a folder")
    begun = [p.name for p in run_dir.iterdir() if not p.name.startswith(".")] if run_dir.exists() else []
    if set(begun) <= {ORIGIN}:
        return State.NEW
    stored = run_dir / CONFIG
    if not stored.is_file():
        raise ValueError(f"run_dir (={run_dir}) holds files but no {CONFIG}, so it is no run; choose another folder")
    old, new = identity(resolved(_config(run_dir))), identity(resolved(cfg))
    changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    if changed:
        detail = ", ".join(f"{key} {old.get(key)} → {new.get(key)}" for key in changed[:5])
        raise ValueError(f"run_dir (={run_dir}) belongs to another configuration ({detail}); choose another folder")
    check_images(run_dir, data)
    return State.FINISHED if (run_dir / METRICS).is_file() else State.INTERRUPTED


def check_images(run_dir: Path, data: Identity) -> None:
    """Check that a run was begun on these images.

    Raises:
        ValueError: the run was begun on other images.
    """
    origin = json.loads((run_dir / ORIGIN).read_text())
    if origin.get("known_by") != _KNOWN_BY:
        raise ValueError(_of_another_version(run_dir, "it told images apart by names and sizes"))
    if (origin["dataset"], origin["fingerprint"]) != (data.dataset, data.fingerprint):
        raise ValueError(
            f"run_dir (={run_dir}) was begun on other images ({origin['dataset']} {origin['fingerprint']}, now "
            f"{data.dataset} {data.fingerprint}), or with another data.roi; choose another folder, or set data.root to "
            "the run's images, and data.roi to its region of interest"
        )


def finished_config(run_dir: Path) -> DictConfig:
    """Read the composed configuration of a finished run.

    Raises:
        ValueError: the folder holds no run, a run that is not finished, or a run of another version.
    """
    missing = [name for name in (CONFIG, ORIGIN, METRICS) if not (run_dir / name).is_file()]
    if missing == [METRICS]:
        raise ValueError(f"run_dir (={run_dir}) is not finished: it holds no {METRICS}; repeat its training command")
    if missing:
        raise ValueError(f"run_dir (={run_dir}) is no run of fae.train: it holds no {', '.join(missing)}")
    return _config(run_dir)


def _config(run_dir: Path) -> DictConfig:
    """Read a run's configuration, and check that it is one of this version.

    Raises:
        ValueError: a class or the space is missing; the message names it and the commit that reads the run.
    """
    cfg = OmegaConf.load(run_dir / CONFIG)
    assert isinstance(cfg, DictConfig)
    gone = [target for target in _targets(OmegaConf.to_container(cfg, resolve=False)) if not _is_here(target)]
    if gone or "space" not in cfg:
        why = f"its class {gone[0]} does not exist here" if gone else "it names no space"
        raise ValueError(_of_another_version(run_dir, why))
    return cfg


def _of_another_version(run_dir: Path, why: str) -> str:
    commits = [commit for commit in _origin(run_dir).get("git_commits", []) if commit]
    which = f"commit {commits[-1]}" if commits else "the version that trained it"
    return f"run_dir (={run_dir}) is a run of another version; {why}. Read the run with {which}, or train it again"


def _is_here(target: str) -> bool:
    """Return whether this version has a class or function; the source is searched, as an import would take seconds."""
    module, _, name = target.rpartition(".")
    if not module.startswith("fae."):
        return True
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:
        return False
    if spec is None or spec.origin is None:
        return False
    text = Path(spec.origin).read_text(encoding="utf-8")
    return re.search(rf"^(class|def) {re.escape(name)}\b", text, re.MULTILINE) is not None


def _targets(node: Any) -> Iterator[str]:
    """Yield the classes that a configuration names."""
    if isinstance(node, dict):
        if isinstance(node.get("_target_"), str):
            yield node["_target_"]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _targets(child)


class Origin(NamedTuple):
    """The origin of a run, besides its images."""

    git_commits: list[str | None]
    """The commits of the code that has worked on the run so far."""
    wandb_id: str
    """The id of the run in W&B, which stays the same however often the run is resumed."""
    weights_of: str | None
    """The name of the run that trained the weights, if it is another run."""


def claim(
    run_dir: Path, cfg: DictConfig, data: Identity, commit: str | None, sweep: str | None, twin: Path | None
) -> Origin:
    """Write down what a run is made of: the images, the composed configuration, and the code's commit.

    Args:
        run_dir: path of the run's folder.
        cfg: composed configuration.
        data: identity of the images.
        commit: commit of the code; None outside a checkout.
        sweep: name of the multirun that the run belongs to, if any.
        twin: folder of the run that the weights come from, see `trained_alike`.
    """
    before = _origin(run_dir)
    of_twin = {} if twin is None else _origin(twin)
    commits = before.get("git_commits") or of_twin.get("git_commits", [])
    commits += [] if commit in commits else [commit]
    weights_of = before.get("weights_of") if twin is None else of_twin.get("weights_of") or twin.name
    run_id = before.get("wandb_id") or secrets.token_hex(4)
    origin = {
        "dataset": data.dataset,
        "fingerprint": data.fingerprint,
        "known_by": _KNOWN_BY,
        "git_commits": commits,
        "wandb_id": run_id,
        "sweep": sweep,
        "training": training_hash(cfg, data.fingerprint),
        "weights_of": weights_of,
    }
    write_text(run_dir / ORIGIN, json.dumps(origin, indent=2) + "\n")
    write_text(run_dir / CONFIG, OmegaConf.to_yaml(OmegaConf.create(resolved(cfg))))
    return Origin(commits, run_id, weights_of)


@contextmanager
def trained_alike(sweep: Path, run_dir: Path, cfg: DictConfig, data: Identity) -> Iterator[Path | None]:
    """Find a finished run of a sweep that differs from a new run only in scoring, so that it has the new run's weights.

    If there is none yet, any other process that looks for the same weights waits until this block ends.
    """
    training = training_hash(cfg, data.fingerprint)
    lock = FileLock(sweep / f".training-{training}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"{run_dir} waits for a run that trains the same weights", flush=True)
        lock.acquire()
    try:
        twins = (path.parent for path in sorted(sweep.glob(f"*/{METRICS}")) if (path.parent / LAST).is_file())
        twin = next((path for path in twins if _training(path) == training), None)
        if (run_dir / LAST).is_file():
            twin = None  # the run has begun to train its own weights
        if twin is not None:
            lock.release()
        yield twin
    finally:
        lock.release()


def take_weights(twin: Path, run_dir: Path) -> None:
    """Link the checkpoints of another run: files are never changed, only replaced, so that links need no more space."""
    for name in (BEST, LAST):
        if (twin / name).is_file():
            with whole(run_dir / name) as draft:
                draft.unlink(missing_ok=True)
                try:
                    os.link(twin / name, draft)
                except OSError:  # the file system has no links
                    shutil.copyfile(twin / name, draft)


def _training(folder: Path) -> str | None:
    """Return the hash of what determines a run's weights; None if the folder holds no run."""
    try:
        return str(_origin(folder)["training"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _origin(run_dir: Path) -> dict[str, Any]:
    path = run_dir / ORIGIN
    origin: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return origin


def sweep_of(run_dir: Path) -> Path | None:
    """Return the folder of the multirun that began a run, whatever command resumes it; None if the run was moved."""
    sweep = _origin(run_dir).get("sweep")
    return run_dir.parent if sweep is not None and run_dir.resolve().parent.name == sweep else None
