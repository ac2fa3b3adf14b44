"""What was found in a file before, as long as the file has not changed."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from fae.data.twins import perceptual_hash
from fae.image import Read

_DATABASE = "files.sqlite"
_PATIENCE_S = 60
_VERSION = 3
_TABLE = f"file_{_VERSION}"


class Seen(NamedTuple):
    """What a file holds."""

    digest: bytes
    """Sixteen bytes of the decoded pixels of an image, or of the bytes of a mask."""
    height: int
    """In pixels, as width; 0 for a mask."""
    width: int
    peak: int = 0
    """The largest value of an image of 16 bits; 0 for other files."""
    pages: int = 1
    phash: bytes = b""
    """The perceptual hash of an image, see `fae.data.twins`; empty for a mask."""


def of_pixels(found: Read) -> Seen:
    """Describe a decoded image: the same pixels have the same digest, however their file is compressed."""
    image = found.rgb
    height, width, _ = image.shape
    digest = blake2b(f"{height}×{width}".encode(), digest_size=16)
    digest.update(image.data if image.flags.c_contiguous else image.tobytes())
    return Seen(digest.digest(), height, width, found.peak, found.pages, perceptual_hash(image))


def of_bytes(path: Path) -> Seen:
    """Describe the bytes of a file."""
    return Seen(blake2b(path.read_bytes(), digest_size=16).digest(), 0, 0)


class Memo:
    """Remembers what files hold, in one database in the cache.

    A file counts as unchanged while its path, size, times of change and inode are the same: a file that replaces
    another one has another inode or another time of change of status, whatever its name, size and date.

    Args:
        cache_dir: folder of the database; None remembers nothing.
        kind: word that keeps apart what different functions find in one file.
    """

    def __init__(self, cache_dir: Path | None, kind: str) -> None:
        self.path = None if cache_dir is None else cache_dir / _DATABASE
        self.kind = kind

    def recall(self, paths: Sequence[Path]) -> dict[Path, Seen]:
        """Return what is known of those files that have not changed.

        Raises:
            OSError: a file is missing, or the cache cannot be used.
        """
        if self.path is None or not self.path.is_file():
            return {}
        found = {}
        with self._opened() as database:
            for path in paths:
                row = database.execute(
                    f"SELECT {', '.join(Seen._fields)} FROM {_TABLE} WHERE path = ? AND kind = ? AND state = ?",
                    (*self._key(path), state_of(path)),
                ).fetchone()
                if row is not None:
                    found[path] = Seen(*row)
        return found

    def remember(self, found: Mapping[Path, tuple[str, Seen]]) -> None:
        """Remember what files hold, each with its state before it was read, see `state_of`.

        Raises:
            OSError: the cache cannot be used.
        """
        if self.path is None or not found:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._opened() as database:
            database.executemany(
                f"INSERT OR REPLACE INTO {_TABLE} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(*self._key(path), state, *seen) for path, (state, seen) in found.items()],
            )

    def of(self, paths: Sequence[Path], look: Callable[[Path], Seen]) -> list[Seen]:
        """Return what each file holds; `look` sees only files that are new or have changed."""
        known = self.recall(paths)
        new = {path: (state_of(path), look(path)) for path in dict.fromkeys(paths) if path not in known}
        self.remember(new)
        return [known[path] if path in known else new[path][1] for path in paths]

    def _key(self, path: Path) -> tuple[bytes, str]:
        return os.fsencode(os.path.abspath(path)), self.kind

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        assert self.path is not None
        try:
            with closing(sqlite3.connect(self.path, timeout=_PATIENCE_S)) as database, database:
                database.execute(
                    f"CREATE TABLE IF NOT EXISTS {_TABLE} (path BLOB, kind TEXT, state TEXT, digest BLOB, "
                    "height INTEGER, width INTEGER, peak INTEGER, pages INTEGER, phash BLOB, PRIMARY KEY (path, kind))"
                )
                yield database
        except sqlite3.Error as error:
            raise OSError(f"{self.path} cannot be used ({error}); delete it, or name another cache_dir") from error


def state_of(path: Path) -> str:
    """Return what changes whenever a file is changed or replaced.

    Raises:
        OSError: there is no such file.
    """
    facts = path.stat()
    return f"{facts.st_size}-{facts.st_mtime_ns}-{facts.st_ctime_ns}-{facts.st_ino}"
