"""The rows of a user's table, in a CSV or a Parquet file; every value is text, as it was typed."""

import csv
import difflib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow
from pyarrow import parquet

from fae.data.index import GOOD

PARQUET = ".parquet"
SUFFIXES = (".csv", ".tsv", ".txt", PARQUET)
_DELIMITERS = ",;\t"
_NORMAL = (GOOD, "normal", "ok", "0", "0.0", "false")
_DEFECTIVE = ("1", "1.0", "true")
_SHOWN = 3


class Row(NamedTuple):
    """One image of a table: its values as they were typed, without spaces around them."""

    where: str
    """The line of a CSV file, or the row of a Parquet file."""
    path: str
    split: str
    label: str = ""
    mask: str = ""
    group: str = ""

    @property
    def defect_type(self) -> str:
        """The type of the defect; empty if the table does not tell."""
        label = self.label.lower()
        if label in _NORMAL or (not label and self.split == "train"):
            return GOOD
        return "defect" if label in _DEFECTIVE else self.label

    @property
    def masks(self) -> list[str]:
        """The paths of the mask's files."""
        return [one.strip() for one in self.mask.split(";") if one.strip()]


COLUMNS = Row._fields[1:]
_NEEDED = ("path", "split")
_Lines = Sequence[tuple[str, Sequence[str]]]


def read_rows(file: Path) -> list[Row]:
    """Read a table, which is Parquet by its suffix, or else text.

    What occurs most in the header of a text, comma, semicolon or tab, separates its values.

    Args:
        file: file of the table.

    Raises:
        ValueError: the file cannot be read, a column is missing or unknown, or a row has too few or too many values.
    """
    return _parquet(file) if file.suffix.lower() == PARQUET else _csv(file)


def some(places: Sequence[tuple[str, str]]) -> str:
    """Name up to three places in a table, each a row and what it holds."""
    shown = ", ".join(f"{where} ({what})" if what else where for where, what in places[:_SHOWN])
    return shown + (f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else "")


def _csv(file: Path) -> list[Row]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is no UTF-8 text ({error.reason}); save it as CSV UTF-8") from error
    delimiter = max(_DELIMITERS, key=text.lstrip().partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        lines = [(f"line {reader.line_num}", line) for line in reader if any(map(str.strip, line))]
    except csv.Error as error:
        raise ValueError(f"{file} cannot be read near line {reader.line_num} ({error}); mend the quotes") from error
    return _rows(file, lines[0][1] if lines else (), lines[1:])


def _parquet(file: Path) -> list[Row]:
    try:
        with parquet.ParquetFile(file) as opened:
            found = opened.read()
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{file} cannot be read as Parquet ({error}); save it again") from error
    for field in found.schema:
        kind = field.type.value_type if pyarrow.types.is_dictionary(field.type) else field.type
        known = (pyarrow.types.is_string, pyarrow.types.is_large_string, pyarrow.types.is_integer)
        if not any(one(kind) for one in (*known, pyarrow.types.is_boolean, pyarrow.types.is_null)):
            raise ValueError(f"{file} has the column {field.name!r} of type {kind}; save it as text")
    columns = [["" if value is None else str(value) for value in column.to_pylist()] for column in found.columns]
    lines = enumerate(zip(*columns, strict=True), start=1)
    return _rows(file, found.column_names, [(f"row {number}", values) for number, values in lines])


def _rows(file: Path, head: Sequence[str], lines: _Lines) -> list[Row]:
    names = _names(file, head)
    if not lines:
        raise ValueError(f"{file} has no rows below its header; add a row for each image")
    if wrong := [(where, f"{len(values)} values") for where, values in lines if len(values) != len(names)]:
        raise ValueError(
            f"{file} has {len(names)} columns, but {some(wrong)}; add what is missing, and quote a value that holds "
            "the separator"
        )
    rows = [Row(where, **dict(zip(names, map(str.strip, values), strict=True))) for where, values in lines]
    return [row._replace(split=row.split.lower()) for row in rows]


def _names(file: Path, head: Sequence[str]) -> list[str]:
    names = [name.strip().lower() for name in head]
    shown = f"{', '.join(map(repr, names)) or 'nothing'}"
    for name in _NEEDED:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            remedy = (
                f"rename {close[0]!r}, if that is meant"
                if close
                else "add it; commas, semicolons or tabs separate columns"
            )
            raise ValueError(f"{file} has no column {name!r}, but {shown}; {remedy}")
    for name in names:
        if name not in COLUMNS:
            close = difflib.get_close_matches(name, COLUMNS, n=1)
            remedy = f"did you mean {close[0]!r}?" if close else "remove it"
            raise ValueError(f"{file} has a column {name!r}, but knows only {', '.join(COLUMNS)}; {remedy}")
        if names.count(name) > 1:
            raise ValueError(f"{file} has the column {name!r} {names.count(name)} times; keep one")
    return names
