"""Which files a shard has to score, and which it has scored: an index on the disk, as there may be ten million."""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fae.data.memo import state_of
from fae.prediction.database import temporary
from fae.prediction.part import parts_of, read_part
from fae.prediction.row import Row

_DATABASE = ".files.sqlite"
_TOGETHER = 1000
_KNOWN = "INSERT OR REPLACE INTO file (path, scored, failed) VALUES (?, ?, ?)"
_LISTED = "INSERT INTO file (path, listed) VALUES (?, 1) ON CONFLICT (path) DO UPDATE SET listed = 1"


@contextmanager
def indexed(folder: Path, listed: Iterable[bytes]) -> Iterator["Files"]:
    """Index the files that a shard's parts hold, and those that are to be scored now.

    Args:
        folder: the shard's folder; the index is a temporary file in it.
        listed: absolute paths of the files that are to be scored, in any order; repetitions are dropped.

    Raises:
        ValueError: a part is damaged.
        OSError: the index cannot be written.
    """
    with temporary(folder / _DATABASE) as database:
        database.execute(
            "CREATE TABLE file (path BLOB PRIMARY KEY, listed INTEGER NOT NULL DEFAULT 0, scored TEXT, "
            "failed INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID"
        )
        for part in parts_of(folder):  # a later row takes the place of an earlier one
            rows = read_part(part, ("path", "score", "error", "file"))
            database.executemany(_KNOWN, ((row.path, _scored(row), row.error is not None) for row in rows))
        database.executemany(_LISTED, ((path,) for path in listed))
        yield Files(database)


def _scored(row: Row) -> str | None:
    return None if row.withdraws else row.file


def file_now(path: bytes) -> str:
    """Return what changes whenever a file is changed or replaced; empty if there is no such file."""
    try:
        return state_of(Path(os.fsdecode(path)))
    except OSError:
        return ""


class Files:
    """The files of a shard.

    Args:
        database: index that `indexed` has filled.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database

    def __len__(self) -> int:
        """Return the number of listed files."""
        return int(self.database.execute("SELECT COUNT(*) FROM file WHERE listed").fetchone()[0])

    def to_score(self) -> Iterator[bytes]:
        """Yield the listed files, in the order of their paths, that were not scored, failed, or have changed since.

        A file that failed is tried again, because somebody may have mended it.
        """
        for path, scored, failed in self._pages("listed"):
            if scored is None or failed or scored != file_now(path):
                yield path

    def outdated(self) -> Iterator[bytes]:
        """Yield the files whose rows hold no longer and will not be replaced, because they are not listed any more.

        These are files that failed, and files that have changed. One that is gone keeps its row.
        """
        for path, scored, failed in self._pages("NOT listed AND scored IS NOT NULL"):
            if failed or file_now(path) not in ("", scored):
                yield path

    def _pages(self, condition: str) -> Iterator[tuple[bytes, str | None, int]]:
        query = f"SELECT path, scored, failed FROM file WHERE {condition} AND path > ? ORDER BY path LIMIT {_TOGETHER}"
        last = b""
        while page := self.database.execute(query, (last,)).fetchall():
            yield from page
            last = page[-1][0]
