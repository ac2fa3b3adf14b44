"""Numbered Parquet files that hold the rows of a shard; each appears whole, and is never changed."""

import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import pyarrow
from pyarrow import parquet

from fae.machine.atomic import whole
from fae.prediction.row import Row, columns, rows_of

MOST_ROWS = 10_000
"""The most rows of a part."""
MOST_SECONDS = 60.0
"""The age of its first row at which a part is written: a killed process has lost no more than this."""

_NAME = re.compile(r"part-(\d{5,})\.parquet")
_TOGETHER = 4096


def parts_of(folder: Path) -> list[Path]:
    """Return the parts of a shard in the order in which they were written."""
    found = {int(match[1]): path for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))}
    return [found[number] for number in sorted(found)]


def read_part(path: Path, names: Sequence[str] | None = None) -> Iterator[Row]:
    """Yield the rows of a part, of which few are in memory at a time; columns that are not named keep their defaults.

    Raises:
        ValueError: the file is damaged, or no part.
    """
    try:
        with parquet.ParquetFile(path) as opened:
            for batch in opened.iter_batches(_TOGETHER, columns=names):
                if names is None:
                    yield from rows_of(batch)
                else:
                    yield from (Row(**row) for row in batch.to_pylist())
    except (pyarrow.ArrowException, OSError, TypeError) as error:
        raise ValueError(
            f"{path} cannot be read as a part of predictions ({error}); delete it, then repeat the command, which "
            "scores its files again"
        ) from error


class Parts:
    """Collects rows, and writes them as the next parts of a folder; what is left is written at the end.

    Args:
        folder: the folder of a shard, which no other process writes to.

    Raises:
        OSError: by `add` and at the end: the disk is full, or the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.rows, self.due = folder, list[Row](), 0.0
        last = parts_of(folder)[-1:]
        self.number = 1 + int(last[0].stem.partition("-")[2]) if last else 0

    def __enter__(self) -> "Parts":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.write()

    def add(self, rows: Sequence[Row]) -> None:
        """Collect rows, and write a part if it is due."""
        if not self.rows:
            self.due = time.monotonic() + MOST_SECONDS
        self.rows.extend(rows)
        if len(self.rows) >= MOST_ROWS or time.monotonic() >= self.due:
            self.write()

    def write(self) -> None:
        """Write a part of what was collected, if there is anything."""
        if not self.rows:
            return
        with whole(self.folder / f"part-{self.number:05d}.parquet") as draft:
            parquet.write_table(columns(self.rows), draft)
        self.rows.clear()
        self.number += 1
