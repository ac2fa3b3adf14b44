"""What every command has in common: composing its configuration and saying what is wrong with it."""

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    InstantiationException,
    MissingConfigException,
)
from lightning.fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from fae.cli.check import arguments, check_callbacks, check_leaves, check_root, nearest
from fae.cli.extra import MissingExtraError, missing
from fae.cli.schema import SCHEMAS, conf_dir, register
from fae.machine.allocator import keep_freed_memory

Task = Callable[[DictConfig], Any]

MENDABLE = (
    *(HydraException, OmegaConfBaseException, MisconfigurationException),
    *(ValueError, OSError, FloatingPointError, MissingExtraError),
)
"""What the user can mend; `explain` says how."""

_LAUNCHERS = {
    "joblib": "hydra-joblib-launcher",
    "submitit_local": "hydra-submitit-launcher",
    "submitit_slurm": "hydra-submitit-launcher",
}
"""Packages of the extra `cluster`, by the launcher that they bring."""


@contextmanager
def plainly() -> Iterator[None]:
    """Say what the user can mend as a line on stderr, with exit code 1; set HYDRA_FULL_ERROR=1 for the traceback.

    Anything else is a defect of ours and keeps its traceback.
    """
    wanted = os.environ.get("HYDRA_FULL_ERROR")
    try:
        yield
    except MENDABLE as error:
        if wanted is not None:
            raise
        sys.exit(f"error: {explain(error)}")


def run(
    task: Task,
    config_name: str,
    prepare: Callable[[Task], Task] = lambda task: task,
    schema: type | None = None,
) -> None:
    """Compose `conf/<config_name>.yaml` from the command line and run a task on it, `plainly`.

    Args:
        task: what to do.
        config_name: the file's stem, or the name of a configuration in Hydra's store.
        prepare: what to make of the task, with the checks of its configuration, for a multirun's jobs.
        schema: the dataclass of the root keys; None takes that of `fae.cli.schema.SCHEMAS`.
    """
    register()
    wanted = os.environ.get("HYDRA_FULL_ERROR")

    def checked(cfg: DictConfig) -> Any:
        check_words(HydraConfig.get().overrides.task)
        check_root(cfg, schema or SCHEMAS[config_name])
        check_callbacks(cfg)
        check_leaves(cfg)
        keep_freed_memory()  # here, as a launcher may have begun another process
        return task(cfg)

    with plainly():
        # Without it Hydra swallows the exception that knows which key was wrong.
        os.environ["HYDRA_FULL_ERROR"] = "1"
        try:
            hydra.main(config_path=conf_dir(), config_name=config_name, version_base="1.3")(prepare(checked))()
        finally:
            if wanted is None:
                os.environ.pop("HYDRA_FULL_ERROR", None)


def check_words(words: Sequence[str]) -> None:
    """Refuse what Hydra takes and ignores.

    Raises:
        ValueError: an empty mapping is to replace another, which Hydra merges it into.
    """
    for word in words:
        key, _, value = word.partition("=")
        if value.strip() == "{}" and not key.startswith("+"):
            raise ValueError(f"{word} changes nothing, as mappings are merged; take keys away one by one: ~{key}.NAME")


def explain(error: BaseException) -> str:
    """The message of an error, with the nearest valid name where a key or a choice is unknown."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, choice = str(error.missing_cfg_file).rpartition("/")
        if group == "hydra/launcher" and choice in _LAUNCHERS:
            return missing(_LAUNCHERS[choice], "cluster")
        if error.options:
            return f"{group}={choice} does not exist; {nearest(choice, error.options)}"
    cause = error.__cause__
    if isinstance(error, InstantiationException) and isinstance(
        cause, ValueError | OSError | MisconfigurationException
    ):
        leaf = re.search(r"^full_key: (.+)$", str(error), re.MULTILINE)
        # The data module is given the damage, whose keys stand outside it.
        return f"{re.sub('^data[.](?=corruption)', '', leaf[1])}: {cause}" if leaf else str(cause)
    if isinstance(error, ConfigCompositionException) and isinstance(cause, ConfigAttributeError | ConfigKeyError):
        parent = cause.parent_node
        if isinstance(parent, DictConfig):
            if str(cause.key) in arguments(parent):
                return f"{cause.full_key} has no default here; write +{cause.full_key}=VALUE to set it"
            valid = [str(key) for key in parent if not str(key).startswith("_")]
            return f"unknown key {cause.full_key}; {nearest(str(cause.key), valid)}"
    return str(error)
