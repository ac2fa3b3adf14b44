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


def safe_mode(mode: str) -> str:
    """Return the mode to use: "online" only when it can work.

    Raises:
        ValueError: "online" is asked for and there is no key.
    """
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
        log.warning("W&B: %s; this run logs OFFLINE, `wandb sync` sends it later", error)
        return "offline"
    return mode


def has_key() -> bool:
    """Whether W&B finds a key; never asks for one."""
    return bool(wandb.login(prompt=False, verify=False))


def reach_server() -> None:
    """Look whether W&B's server answers, for three seconds, where W&B itself would stall.

    Raises:
        OSError: naming the server that does not.
    """
    address = urlparse(wandb.setup().settings.base_url)  # the user's own server, where one is set
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname or "", port), timeout=_TIMEOUT_S).close()
    except OSError as error:
        raise OSError(f"{address.hostname} cannot be reached ({error})") from error


@contextmanager
def wandb_run(folder: Path, cache_dir: Path) -> Iterator[None]:
    """Keep W&B's files in the folder of a run, or of its sweep, and in the cache; finish its run, whatever happens.

    Folders that the user has named by W&B's own variables stay as they are.
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
        wandb.setup(wandb.Settings(silent=True))  # or it warns of a setting that Lightning passes
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
    """Start a W&B run inside `wandb_run`, or online go on with one.

    An offline run cannot go on: a new one of the same id takes its place, and shows its curves from the checkpoint.

    Args:
        build: the configured logger, without what this function adds.
        mode: see `safe_mode`.
        folder: as in `wandb_run`.
        name: of the W&B run.
        tags: of the W&B run.
        config: plain values, shown and searched in W&B.
        group: a sweep's name.
        run_id: the same whenever a run goes on; None for a run that never does.
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
        log_model=False,  # a checkpoint is not all that a run's weights need; see fae.evaluation.finish
        settings=wandb.Settings(console="off", silent=True),
    )
    logger.experiment.config.update(dict(config), allow_val_change=True)
    return logger
