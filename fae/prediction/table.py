"""One table of all shards, with one row for each file, in the order of the paths."""

import csv
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pyarrow
from pyarrow import parquet

from fae.machine.atomic import whole
from fae.machine.lock import locked
from fae.prediction.database import temporary
from fae.prediction.part import parts_of, read_part
from fae.prediction.row import READABLE, TABLE, Row
from fae.prediction.shard import Shard

_SCRATCH = ".merge"
_COLUMNS = ", ".join(f'"{name}"' for name in Row._fields)
_TOGETHER = 10_000


class Count(NamedTuple):
    """The rows of a shard in the table."""

    rows: int = 0
    failed: int = 0
    """The number of rows of files that could not be scored."""


def write_table(output: Path, shards: int, formats: Sequence[str]) -> list[Count]:
    """Write the rows of all shards as one table, in constant memory; what a shard has repeated counts once.

    Args:
        output: folder of the predictions.
        shards: number of shards.
        formats: kinds of file, of `FORMATS`.

    Returns:
        what each shard has brought.

    Raises:
        ValueError: a part is damaged, or another process merges the same folder.
        OSError: the table cannot be written.
    """
    with locked(output / _SCRATCH, "output"), temporary(output / _SCRATCH / "table.sqlite") as database:
        database.execute(f"CREATE TABLE row ({_COLUMNS}, shard, PRIMARY KEY (path)) WITHOUT ROWID")
        for index in range(shards):
            folder = output / Shard(shards, index).name
            for part in parts_of(folder) if folder.is_dir() else ():
                _take(database, index, read_part(part))
        for kind in formats:
            with whole(output / f"{TABLE}.{kind}") as draft:
                FORMATS[kind](draft, _rows(database))
        counted = database.execute("SELECT shard, COUNT(*), COUNT(error) FROM row GROUP BY shard")
        found = {index: Count(rows, failed) for index, rows, failed in counted}
    return [found.get(index, Count()) for index in range(shards)]


def _take(database: sqlite3.Connection, shard: int, rows: Iterator[Row]) -> None:
    marks = ", ".join("?" * (len(Row._fields) + 1))
    while some := list(islice(rows, _TOGETHER)):
        database.executemany(f"INSERT OR REPLACE INTO row VALUES ({marks})", ((*row, shard) for row in some))
        # A part holds a file once, so that a withdrawal can follow all rows that were read together.
        database.executemany("DELETE FROM row WHERE path = ?", ((row.path,) for row in some if row.withdraws))


def _rows(database: sqlite3.Connection) -> Iterator[Row]:
    for values in database.execute(f"SELECT {_COLUMNS} FROM row ORDER BY path"):
        row = Row(*values)
        yield row._replace(anomalous=None if row.anomalous is None else bool(row.anomalous))


def _csv(draft: Path, rows: Iterator[Row]) -> None:
    with draft.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(Row._fields)
        for row in rows:
            writer.writerow([os.fsdecode(row.path), *("" if value is None else value for value in row[1:])])


def _parquet(draft: Path, rows: Iterator[Row]) -> None:
    with parquet.ParquetWriter(draft, READABLE) as writer:
        while some := list(islice(rows, _TOGETHER)):
            plain = [row._asdict() | {"path": row.path.decode("utf-8", "backslashreplace")} for row in some]
            writer.write_table(pyarrow.Table.from_pylist(plain, READABLE))


FORMATS: dict[str, Callable[[Path, Iterator[Row]], None]] = {"csv": _csv, "parquet": _parquet}
"""The kinds of file that a table can be written as, by their suffix."""
