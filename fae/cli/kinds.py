"""Whether the values of a configuration have the types that constructors ask for."""

import re
from collections.abc import Iterator, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from omegaconf import DictConfig, ListConfig, OmegaConf

from fae.cli.check import located

_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", NoneType: "null"}
_REFERENCE = re.compile(r"\$\{([\w.]+)\}")


def check_kinds(cfg: DictConfig) -> None:
    """Check the values of all leaves whose `_target_` is of this project.

    Raises:
        ValueError: a value has another type than its argument; the message names it and what it must be.
    """
    for leaf, path in _leaves(cfg, ""):
        hints = _hints(str(leaf["_target_"]))
        for key in map(str, leaf):
            if key not in hints or OmegaConf.is_missing(leaf, key) or _fits(leaf[key], hints[key]):
                continue
            name = _origin(cfg, leaf, key, f"{path}.{key}" if path else key)
            raise ValueError(f"{name} (={leaf[key]}) must be {_told(hints[key])}")


def _leaves(node: Any, path: str) -> Iterator[tuple[DictConfig, str]]:
    if isinstance(node, ListConfig):
        for i, child in enumerate(node):
            yield from _leaves(child, f"{path}[{i}]")
    if isinstance(node, DictConfig):
        if "_target_" in node:
            yield node, path
        for key in map(str, node):
            if not OmegaConf.is_missing(node, key):
                yield from _leaves(node[key], f"{path}.{key}" if path else key)


def _hints(target: str) -> dict[str, Any]:
    # The kinds of damage say better what they take.
    if not target.startswith("fae.") or target.startswith("fae.corruption."):
        return {}
    found = located(target)
    is_class = isinstance(found, type)
    try:
        return get_type_hints(found.__init__ if is_class else found)
    except NameError:  # a name that is only there for type checkers
        return {}


def _origin(cfg: DictConfig, leaf: DictConfig, key: str, name: str) -> str:
    """Return the key that a user sets, if a value is read from it."""
    while reference := _REFERENCE.fullmatch(str(OmegaConf.to_container(leaf, resolve=False)[key])):  # type: ignore[call-overload,index]
        name = reference[1]
        parent, _, key = name.rpartition(".")
        leaf = OmegaConf.select(cfg, parent) if parent else cfg
    return name


def _fits(value: Any, kind: Any) -> bool:
    origin = get_origin(kind)
    if kind is Any or isinstance(kind, TypeVar) or isinstance(value, DictConfig):
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in get_args(kind))
    if origin is Literal:
        return value in get_args(kind)
    if isinstance(value, ListConfig):
        inner = [one for one in get_args(kind) if one is not Ellipsis]
        return _is_list(kind) and all(any(_fits(one, each) for each in inner) for one in value if inner)
    if kind in (int, float, str):
        wide = {int: int, float: int | float, str: str | int | float}[kind]
        return isinstance(value, wide) and (kind is str or not isinstance(value, bool))
    return isinstance(value, kind) if kind in (bool, NoneType) else False


def _is_list(kind: Any) -> bool:
    whole = get_origin(kind) or kind
    return isinstance(whole, type) and issubclass(whole, Sequence) and whole is not str


def _told(kind: Any) -> str:
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(dict.fromkeys(map(_told, get_args(kind))))
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    return _NAMES.get(kind, "a list" if _is_list(kind) else "a mapping with a _target_")
