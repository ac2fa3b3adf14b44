"""Which images show one part, so that no part lies on both sides of a split."""

import csv
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fae.data.index import Index
from fae.data.left_out import examples

_COLUMNS = ["file", "group"]


def grouped(index: Index, root: str | None, group: str | None) -> Index:
    """Give each image the group that a user's rule says.

    Args:
        index: index of the files.
        root: folder of the data set, to which paths are relative.
        group: regular expression with one group, which is searched in each image's path below the root, or path of a
            CSV file with the columns file and group; None leaves what the reader has found.

    Raises:
        ValueError: the expression or the file is wrong, or leaves the group of an image open.
        OSError: the file cannot be read.
    """
    if group is None:
        return index
    rule = _of_table(Path(group)) if group.lower().endswith(".csv") else _of_expression(group)
    base = Path(root or ".").absolute()
    base = base.parent if base.is_file() else base  # a table names paths below its folder
    names = {sample.path: _below(sample.path, base) for sample in index.all}
    found = {path: rule(name) for path, name in names.items()}
    if unknown := [path for path, one in found.items() if one is None]:
        raise ValueError(
            f"data.group (={group}) leaves the group of {len(unknown)} image(s) open: {examples(unknown)}; give each "
            "image a group, by an expression that fits all paths below data.root or by a CSV file with a line for each"
        )
    train, test = (
        tuple(replace(sample, group=found[sample.path]) for sample in some) for some in (index.train, index.test)
    )
    return replace(index, train=train, test=test)


def _below(path: Path, base: Path) -> str:
    path = path.absolute()
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else path.as_posix()


def _of_expression(group: str) -> Callable[[str], str | None]:
    try:
        rule = re.compile(group)
    except re.error as error:
        raise ValueError(f"data.group (={group}) is no regular expression ({error}); see Python's re") from error
    if rule.groups != 1:
        raise ValueError(
            f"data.group (={group}) has {rule.groups} groups in brackets, but needs one, around what names the part, "
            "such as part(\\d+)"
        )

    def find(name: str) -> str | None:
        match = rule.search(name)
        return match[1] if match else None

    return find


def _of_table(path: Path) -> Callable[[str], str | None]:
    """Read a table, whose files are paths below the root, or names where those are unique."""
    if not path.is_file():
        raise FileNotFoundError(f"data.group (={path}) is no file; name a table with a line for each image")
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if not set(_COLUMNS) <= set(reader.fieldnames or ()):
            raise ValueError(
                f"data.group (={path}) has the columns {', '.join(reader.fieldnames or ()) or '(none)'}; it needs "
                f"{' and '.join(_COLUMNS)}, separated by commas"
            )
        known: dict[str, str] = {}
        for row in reader:
            name, group = (row["file"] or "").replace("\\", "/"), row["group"] or ""
            if not name or not group:
                raise ValueError(f"data.group (={path}): line {reader.line_num} has an empty file or group; fill it")
            if known.setdefault(name, group) != group:
                raise ValueError(
                    f"data.group (={path}): line {reader.line_num} gives {name} the group {group}, but a line above "
                    f"{known[name]}; keep one"
                )

    return lambda name: known.get(name, known.get(name.rpartition("/")[2]))
