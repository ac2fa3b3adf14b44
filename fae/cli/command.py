"""The common part of all commands: they compose their configuration and explain what is wrong with it."""

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from lightning.fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException, ValidationError

from fae.cli.check import arguments, check_callbacks, check_leaves, check_root, nearest, nearest_key
from fae.cli.kinds import check_kinds
from fae.cli.missing import check_groups, check_missing
from fae.cli.schema import SCHEMAS, conf_dir, register
from fae.cli.words import as_typed
from fae.machine.allocator import keep_freed_memory
from fae.machine.extra import MissingExtraError, missing

Task = Callable[[DictConfig], Any]

MENDABLE = (
    *(HydraException, OmegaConfBaseException, MisconfigurationException),
    *(ValueError, OSError, FloatingPointError, MissingExtraError),
)
"""The errors that the user can mend; `explain` turns them into messages."""

_LAUNCHERS = {
    "joblib": "hydra-joblib-launcher",
    "ray": "hydra-ray-launcher",
    "submitit_local": "hydra-submitit-launcher",
    "submitit_slurm": "hydra-submitit-launcher",
}
"""The packages of the extra `cluster`, by the launcher that each of them brings."""

_NAMED = re.compile(r"\w+(\.\w+)+ \(=")
"""The beginning of a message that names a key in full."""
_NO_KEY = re.compile(r"Could not delete from config. '([^']+)' does not exist")


@contextmanager
def plainly() -> Iterator[None]:
    """Show an error that the user can mend as one line on stderr, with exit code 1.

    With HYDRA_FULL_ERROR=1 the traceback is shown instead. Any other error is a defect of this program, and keeps its
    traceback.
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
    expand: Callable[[list[str]], list[str]] = lambda words: words,
) -> None:
    """Compose `conf/<config_name>.yaml` from the command line and run a task on it; `plainly` shows the errors.

    Args:
        task: function of the composed configuration.
        config_name: stem of the file, or name of a configuration in Hydra's store.
        prepare: function that wraps the task and the checks of its configuration, for the jobs of a multirun.
        schema: dataclass of the root keys; if None, the entry in `fae.cli.schema.SCHEMAS`.
        expand: function that replaces the words of the command line by those that they stand for.
    """
    register()
    folder, schema = Path(conf_dir(config_name)), schema or SCHEMAS[config_name]
    wanted = os.environ.get("HYDRA_FULL_ERROR")

    def checked(cfg: DictConfig) -> Any:
        check_words(HydraConfig.get().overrides.task)
        check_root(cfg, schema)
        check_missing(cfg, folder)
        check_callbacks(cfg)
        check_leaves(cfg)
        check_kinds(cfg)
        keep_freed_memory()  # called here, because a launcher may have started another process
        return task(cfg)

    typed = sys.argv
    with plainly():
        check_groups(typed[1:], folder)
        sys.argv = [typed[0], *expand(as_typed(typed[1:], schema))]
        # Without this variable Hydra swallows the exception that knows which key was wrong.
        os.environ["HYDRA_FULL_ERROR"] = "1"
        try:
            hydra.main(config_path=str(folder), config_name=config_name, version_base="1.3")(prepare(checked))()
        finally:
            sys.argv = typed
            if wanted is None:
                os.environ.pop("HYDRA_FULL_ERROR", None)


def check_words(words: Sequence[str]) -> None:
    """Refuse overrides that Hydra accepts and ignores.

    Raises:
        ValueError: an override would replace a mapping by an empty one; Hydra merges the two instead.
    """
    for word in words:
        key, _, value = word.partition("=")
        if value.strip() == "{}" and not key.startswith("+"):
            raise ValueError(f"{word} changes nothing, because mappings are merged; remove single keys: ~{key}.NAME")


def explain(error: BaseException) -> str:
    """Return the message of an error, with the nearest valid name if a key or a choice is unknown."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, choice = str(error.missing_cfg_file).rpartition("/")
        if group == "hydra/launcher" and choice in _LAUNCHERS:
            return missing(_LAUNCHERS[choice], "cluster")
        if error.options:
            return f"{group}={choice} does not exist; {nearest(choice, error.options)}"
    cause = error.__cause__
    if isinstance(error, InstantiationException) and isinstance(
        cause, ValueError | TypeError | OSError | ImportError | MisconfigurationException
    ):
        leaf = re.search(r"^full_key: (.+)$", str(error), re.MULTILINE)
        if leaf is None or _NAMED.match(str(cause)):
            return str(cause)
        # The data module gets the corruption as an argument, but its keys stand outside `data`.
        return f"{re.sub('^data[.](?=corruption)', '', leaf[1])}: {cause}"
    if isinstance(error, ConfigCompositionException) and isinstance(cause, ConfigAttributeError | ConfigKeyError):
        parent = cause.parent_node
        if isinstance(parent, DictConfig):
            if str(cause.key) in arguments(parent):
                return f"{cause.full_key} has no default here; write +{cause.full_key}=VALUE to set it"
            valid = [str(key) for key in parent if not str(key).startswith("_")]
            return f"unknown key {cause.full_key}; {nearest_key(parent, str(cause.key), valid)}"
    if isinstance(error, ConfigCompositionException) and isinstance(cause, ValidationError):
        return f"{str(cause).splitlines()[0]} ({error})"
    if isinstance(error, OverrideParseException):
        key, _, value = str(error.override).partition("=")
        if key.strip() and value.strip():
            return (
                f"{error.override}: the value cannot be read; put texts into double quotes, and the whole word into "
                f"single quotes, as in '{key}=\"TEXT\"'"
            )
        return f"{error.override!r} sets nothing; write KEY=VALUE, without spaces around ="
    if isinstance(error, ConfigCompositionException) and (gone := _NO_KEY.search(str(error))):
        return f"~{gone[1]} removes nothing, because {gone[1]} does not exist; --cfg=job shows all keys"
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename} cannot be used ({error.strerror}); check that it is there, and that you may use it"
    return str(error)
