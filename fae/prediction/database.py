"""Temporary SQLite files: they hold on the disk what would not fit into memory."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

_CACHE_KIB = 32768


@contextmanager
def temporary(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield an empty database in a new file, which is removed at the end.

    It takes no care to survive a crash, because what a killed process leaves behind is made anew. No other process may
    use the file, so that it can also lie on a network's file system, where locks often fail.

    Raises:
        OSError: the file cannot be written, e.g. because the disk is full.
    """
    path.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?nolock=1", uri=True)) as database:
            for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KIB}"):
                database.execute(f"PRAGMA {setting}")
            yield database
    except sqlite3.Error as error:
        raise OSError(f"{path} cannot be used ({error}); free some space, then repeat the command to go on") from error
    finally:
        path.unlink(missing_ok=True)
