"""Weights & Biases without prompts, stalls, or files outside the run's folder and the cache."""

import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import wandb
from lightning.pytorch.loggers import WandbLogger

log = logging.getLogger(__name__)

_TIMEOUT_S = 3


def safe_mode(mode: str) -> str:
    """Return the mode to use: "online" only when it can work.

    Raises:
        ValueError: "online" is asked for and there is no key.
    """
    if mode != "online":
        return mode
    if not wandb.login(prompt=False, verify=False):
        raise ValueError(
            "WANDB_MODE=online needs a key and there is none: run `wandb login`, set WANDB_API_KEY, "
            "or leave WANDB_MODE unset to log offline"
        )
    address = urlparse(wandb.Settings().base_url)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname or "", port), timeout=_TIMEOUT_S).close()
    except OSError as error:
        log.warning(
            "W&B: %s cannot be reached (%s); this run logs OFFLINE, `wandb sync` sends it later",
            address.hostname,
            error,
        )
        return "offline"
    return mode


@contextmanager
def wandb_run(run_dir: Path, cache_dir: Path) -> Iterator[None]:
    """Keep W&B's files in the run's folder and the cache, and finish its run, whatever happens.

    Folders that the user has named by W&B's own variables stay as they are.
    """
    ours = {
        "WANDB_DATA_DIR": run_dir / "wandb",
        "WANDB_ARTIFACT_DIR": run_dir / "wandb",
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
    build: Callable[..., WandbLogger],
    mode: str,
    folder: Path,
    name: str,
    tags: Sequence[str],
    config: Mapping[str, Any],
    group: str | None = None,
) -> WandbLogger:
    """Start a W&B run inside `wandb_run`.

    Args:
        build: the configured logger, without what this function adds.
        mode: see `safe_mode`.
        folder: the run's.
        name: of the W&B run.
        tags: of the W&B run.
        config: plain values, shown and searched in W&B.
        group: a sweep's name.
    """
    settings = wandb.Settings(console="off", silent=True)
    logger = build(mode=mode, save_dir=str(folder), name=name, tags=list(tags), group=group, settings=settings)
    logger.experiment.config.update(dict(config))
    return logger
