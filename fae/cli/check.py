"""Checks of a composed configuration: every wrong word is refused with the nearest right one."""

import difflib
import inspect
import pkgutil
from collections.abc import Iterable
from dataclasses import fields
from importlib import import_module
from types import ModuleType
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf


def nearest(name: str, valid: Iterable[str]) -> str:
    """A half-sentence that suggests the valid name nearest to a wrong one."""
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"valid names: {', '.join(names)}"


def check_root(cfg: DictConfig, schema: type) -> None:
    """Check the root's keys, because `+key=value` on the command line passes by the schema.

    Raises:
        ValueError: naming the unknown key and the nearest valid one.
    """
    valid = {f.name for f in fields(schema)}
    for key in map(str, cfg):
        if key not in valid:
            raise ValueError(f"unknown key {key}; {nearest(key, valid)}")


# Where a constructor passes other arguments on to.
_PASSED_ON = {"fae.tracking.logger.ResumableWandbLogger": "wandb.init"}


def arguments(leaf: DictConfig) -> set[str]:
    """Names of the arguments of a leaf's `_target_`; "**" among them where it takes any."""
    if "_target_" not in leaf:
        return set()
    names = {"**" if p.kind is inspect.Parameter.VAR_KEYWORD else p.name for p in _parameters(leaf._target_)}
    if leaf._target_ in _PASSED_ON:
        names = names - {"**"} | {p.name for p in _parameters(_PASSED_ON[leaf._target_])}
    return names


def _parameters(target: str) -> Iterable[inspect.Parameter]:
    return inspect.signature(located(target)).parameters.values()


def located(target: str) -> Any:
    """The class or function that a `_target_` names.

    Raises:
        ValueError: it names none; the message holds the nearest name of the package or module.
        ImportError: the module that it names imports something that is not installed.
    """
    path, *names = str(target).split(".")
    found: Any = _imported(path) if path else None
    if found is None:
        raise ValueError(f"_target_ (={target}): no package {path!r} is installed")
    for name in names:
        child = getattr(found, name, None)
        if child is None and isinstance(found, ModuleType):
            child = _imported(f"{path}.{name}")
        if child is None:
            offered = {key for key in dir(found) if not key.startswith("_")}
            offered |= {module.name for module in pkgutil.iter_modules(getattr(found, "__path__", []))}
            raise ValueError(f"_target_ (={target}): {path} has no {name!r}; {nearest(name, offered)}")
        found, path = child, f"{path}.{name}"
    if not callable(found):
        raise ValueError(f"_target_ (={target}) must be a class or a function")
    return found


def _imported(name: str) -> ModuleType | None:
    """A module; None if there is none of that name."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return None


def check_callbacks(cfg: DictConfig) -> None:
    """Check that every callback is one: a misspelt name would make a new one that does nothing.

    Raises:
        ValueError: naming the unknown callback and the nearest valid name.
    """
    for name, leaf in cfg.get("callback", {}).items():
        if "_target_" not in leaf:
            valid = [str(key) for key, other in cfg.callback.items() if "_target_" in other]
            raise ValueError(f"unknown key callback.{name}; {nearest(str(name), valid)}")


def check_leaves(node: Any, path: str = "") -> None:
    """Check that every leaf holds only arguments of its `_target_`.

    Raises:
        ValueError: naming the unknown key and the nearest valid one.
    """
    if isinstance(node, ListConfig):
        for i, child in enumerate(node):
            check_leaves(child, f"{path}[{i}]")
    if not isinstance(node, DictConfig):
        return
    if "_target_" in node:
        valid = arguments(node)
        for key in map(str, node):
            if not key.startswith("_") and key not in valid and "**" not in valid:
                raise ValueError(f"unknown key {path}.{key}; {nearest(key, valid)} ({node._target_})")
    for key in map(str, node):
        if not OmegaConf.is_missing(node, key):
            check_leaves(node[key], f"{path}.{key}" if path else key)
