"""Words of the command line that are text, whatever they look like: paths, and names of folders and categories."""

import re
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

TEXTS = frozenset(
    {
        *("run_dir", "sweep", "cache_dir", "input", "output", "root", "name", "evaluation"),
        *("continue_from", "data.root", "data.extra", "data.category", "data.cache_dir", "data.group", "category.name"),
        *("calibration.root", "sweep_dir", "data.source.default_root", "data.source.cache_dir"),
        *("data.source.images", "data.source.split", "corruption.source.root", "space.backbone.file"),
        *("hydra.sweep.dir", "hydra.run.dir"),
    }
)
"""The keys whose value is text."""

_LISTS = frozenset({"input", "ensemble", "calibration.runs", "data.extra"})
"""The keys whose value may be a list of texts."""
_SWEEPS = re.compile(r"(choice|range|glob|interval|sort|shuffle|tag)\(")


def as_typed(words: Sequence[str], schema: type | None = None) -> list[str]:
    """Quote the texts among overrides, so that Hydra takes them as they were typed.

    Without it 2024_05_02 would become the number 20240502, and a letter such as ö or a bracket an error. What is quoted
    already, null, and interpolations stay; in a multirun (`-m`), commas separate several texts.

    Args:
        words: overrides.
        schema: dataclass of a command's root keys; those with the type `str` are texts, too.

    Raises:
        ValueError: a text begins with ~, which the shell leaves as it is inside a word.
    """
    several = any(word in ("-m", "hydra.mode=MULTIRUN") or word.startswith("--mul") for word in words)
    own = {key.name for key in fields(schema) if key.type is str} if schema is not None else set()
    return [_as_typed(word, several, TEXTS | own) for word in words]


def key_of(word: str) -> str:
    """Return the key that an override sets or removes."""
    return word.partition("=")[0].lstrip("+~")


def value_of(word: str) -> Any:
    """Return the value of an override that `as_typed` returned: a text, a number, a list, or None.

    Raises:
        ValueError: the word sweeps over several values.
    """
    read = OverridesParser.create().parse_override(word)
    if read.is_sweep_override():
        raise ValueError(f"{word} must have one value; begin one command for each")
    return read.value()


def override(key: str, text: str) -> str:
    """Return the override that sets a key to a text, quoted where Hydra would change it."""
    return f"{key}={_quoted(key, text)}"


def _as_typed(word: str, several: bool, texts: frozenset[str]) -> str:
    typed, equals, value = word.partition("=")
    key = typed.lstrip("+")
    if equals and key in _LISTS and value.startswith("["):
        return f"{typed}={_list(key, value)}"
    if not equals or key not in texts or _kept(value):
        return word
    if several and (_SWEEPS.match(value) or any(part and part[0] in "\"'" for part in value.split(","))):
        return word
    parts = value.split(",") if several else [value]
    if any(part == "~" or part.startswith("~/") for part in parts):
        raise ValueError(
            f'{word}: the shell leaves ~ as it is inside a word; write {key}="$HOME{value[1:]}", or '
            f"'{key}=\"{value}\"' for a folder of this name"
        )
    return f"{typed}={','.join(part if _kept(part) else _quoted(key, part) for part in parts)}"


def _list(key: str, value: str) -> str:
    """Quote the texts of a list such as [2024_01,2024_02]; quotes and brackets inside are the user's own business."""
    if not value.endswith("]") or any(sign in value[1:-1] for sign in "\"'[](){}$"):
        return value
    parts = [part.strip() for part in value[1:-1].split(",")]
    return f"[{','.join(part if _kept(part) else _quoted(key, part) for part in parts)}]"


def _kept(value: str) -> bool:
    return value in ("", "null", "???") or value[0] in "\"'" or "${" in value


def _quoted(key: str, text: str) -> str:
    try:
        read = OverridesParser.create().parse_override(f"{key}={text}").value()
    except HydraException:
        read = None
    if isinstance(read, str) and read == text and not text.startswith("~"):
        return text
    return str(QuotedString(text=text, quote=Quote.double).with_quotes())
