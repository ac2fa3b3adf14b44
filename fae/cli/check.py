"""Checks of a composed configuration; an unknown key is refused, and the message names the nearest valid key."""

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
    """Return a half-sentence that suggests the valid name nearest to a wrong name, or lists all valid names."""
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"valid names: {', '.join(names)}"


def check_root(cfg: DictConfig, schema: type) -> None:
    """Check the root's keys, because the schema does not check `+key=value` on the command line.

    Raises:
        ValueError: a key is unknown; the message names it and the nearest valid key.
    """
    valid = {f.name for f in fields(schema)}
    for key in map(str, cfg):
        if key not in valid:
            raise ValueError(f"unknown key {key}; {nearest_key(cfg, key, valid)}")


def nearest_key(cfg: DictConfig, key: str, valid: Iterable[str]) -> str:
    """Return a half-sentence like `nearest`; a key that a group holds is suggested with the group's name."""
    for name in ("data", *map(str, cfg)):  # a category repeats some keys of the data
        leaf = cfg.get(name)
        if isinstance(leaf, DictConfig) and key in leaf:
            return f"did you mean {name}.{key}?"
    return nearest(key, valid)


# The function to which a constructor passes its further arguments.
_PASSED_ON = {"fae.tracking.logger.ResumableWandbLogger": "wandb.init"}


def arguments(leaf: DictConfig) -> set[str]:
    """Return the names of the arguments of a leaf's `_target_`; they include "**" if it takes any argument."""
    if "_target_" not in leaf:
        return set()
    names = {"**" if p.kind is inspect.Parameter.VAR_KEYWORD else p.name for p in _parameters(leaf._target_)}
    if leaf._target_ in _PASSED_ON:
        names = names - {"**"} | {p.name for p in _parameters(_PASSED_ON[leaf._target_])}
    return names


def _parameters(target: str) -> Iterable[inspect.Parameter]:
    return inspect.signature(located(target)).parameters.values()


def located(target: str) -> Any:
    """Return the class or function that a `_target_` names.

    Raises:
        ValueError: the target names neither; the message holds the nearest name of the package or module.
        ImportError: the target's module imports a package that is not installed.
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
    """Return a module, or None if no module has this name."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return None


def check_callbacks(cfg: DictConfig) -> None:
    """Check that every entry of `callback` has a `_target_`: a misspelt name adds an entry that does nothing.

    Raises:
        ValueError: an entry has no `_target_`; the message names it and the nearest valid name.
    """
    for name, leaf in cfg.get("callback", {}).items():
        if "_target_" not in leaf:
            valid = [str(key) for key, other in cfg.callback.items() if "_target_" in other]
            raise ValueError(f"unknown key callback.{name}; {nearest(str(name), valid)}")


def check_leaves(node: Any, path: str = "") -> None:
    """Check that every leaf holds only arguments of its `_target_`.

    Raises:
        ValueError: a leaf holds an unknown key; the message names it and the nearest valid key.
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
