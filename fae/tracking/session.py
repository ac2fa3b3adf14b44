"""Weights & Biases without prompts, stalls, or files outside the run's folder and the cache."""

import logging
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import wandb

from fae.tracking.logger import ResumableWandbLogger

log = logging.getLogger(__name__)

_TIMEOUT_S = 3
_MODES = ("online", "offline", "shared", "disabled")


def safe_mode(mode: str) -> str:
    """Return the W&B mode to use: "online" is kept only if there is a key and the server answers.

    Raises:
        ValueError: the mode is unknown, or "online" is asked for and there is no key.
    """
    if mode not in _MODES:
        raise ValueError(f"logger.mode (={mode}) must be {', '.join(_MODES[:-1])} or {_MODES[-1]}; see WANDB_MODE")
    if mode != "online":
        return mode
    if not has_key():
        raise ValueError(
            "WANDB_MODE=online needs a key and there is none: run `wandb login`, set WANDB_API_KEY, "
            "or leave WANDB_MODE unset to log offline"
        )
    try:
        reach_server()
    except OSError as error:
        log.warning("W&B: %s; this run logs OFFLINE. Send it later by `wandb sync`", error)
        return "offline"
    return mode


def has_key() -> bool:
    """Return whether W&B finds a key; it never asks the user for one."""
    return bool(wandb.login(prompt=False, verify=False))


def reach_server() -> None:
    """Check for three seconds whether W&B's server answers; W&B itself would stall.

    Raises:
        OSError: the server does not answer; the message names it.
    """
    address = urlparse(wandb.setup().settings.base_url)  # the user's own server, if one is set
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname or "", port), timeout=_TIMEOUT_S).close()
    except OSError as error:
        raise OSError(f"{address.hostname} cannot be reached ({error})") from error


@contextmanager
def wandb_run(folder: Path, cache_dir: Path) -> Iterator[None]:
    """Keep W&B's files in the folder of a run or sweep and in the cache, and finish the W&B run whatever happens.

    If the user has set W&B's own variables for such folders, these variables stay as they are.
    """
    ours = {
        "WANDB_DATA_DIR": folder / "wandb",
        "WANDB_ARTIFACT_DIR": folder / "wandb",
        "WANDB_CACHE_DIR": cache_dir / "wandb",
        "WANDB_CONFIG_DIR": cache_dir / "wandb",
    }
    ours = {name: folder for name, folder in ours.items() if name not in os.environ}
    os.environ.setdefault("WANDB_SILENT", "true")
    exit_code = 1
    try:
        for name, folder in ours.items():
            folder.mkdir(parents=True, exist_ok=True)
            os.environ[name] = str(folder.resolve())
        wandb.setup(wandb.Settings(silent=True))  # otherwise it warns of a setting that Lightning passes
        yield
        exit_code = 0
    finally:
        wandb.finish(exit_code=exit_code)
        for name in ours:
            os.environ.pop(name, None)


def start(
    build: Callable[..., ResumableWandbLogger],
    mode: str,
    folder: Path,
    name: str,
    tags: Sequence[str],
    config: Mapping[str, Any],
    group: str | None = None,
    run_id: str | None = None,
) -> ResumableWandbLogger:
    """Start a W&B run inside `wandb_run`, or continue a run that is online.

    An offline run cannot be continued: a new run with the same id replaces it, and shows its curves from the
    checkpoint.

    Args:
        build: configured constructor of the logger, without the arguments that this function adds.
        mode: W&B mode from `safe_mode`.
        folder: folder of the run or sweep, as in `wandb_run`.
        name: name of the W&B run.
        tags: tags of the W&B run.
        config: plain values that W&B shows and searches.
        group: name of the sweep, if the run belongs to one.
        run_id: W&B id, which stays the same whenever a run is resumed; None for a run that is never resumed.
    """
    if mode == "offline" and run_id is not None:
        for abandoned in (folder / "wandb").glob(f"offline-run-*-{run_id}"):
            shutil.rmtree(abandoned)
    logger = build(
        mode=mode,
        save_dir=str(folder),
        name=name,
        tags=list(tags),
        group=group,
        id=run_id,
        log_model=False,  # scoring needs more than a checkpoint, see fae.evaluation.finish
        settings=wandb.Settings(console="off", silent=True),
    )
    logger.experiment.config.update(dict(config), allow_val_change=True)
    return logger
