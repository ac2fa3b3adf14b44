"""Image files that are copies of one another, byte for byte."""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

_TAIL = 64  # bytes; the end of a compressed image depends on the whole image


def copies(of: Sequence[Path], among: Sequence[Path]) -> list[Path]:
    """Return the files of `among` whose bytes equal those of a file of `of`.

    Files are compared first by size, then by their last bytes, then by a digest of all bytes. Each comparison treats
    only the files that the comparison before could not tell apart, so that few files are read as a whole.

    Args:
        of: paths of the files whose copies are wanted.
        among: paths of the files that may be copies.

    Raises:
        OSError: a file cannot be read.
    """
    keys: tuple[Callable[[Path], object], ...] = (lambda path: path.stat().st_size, _tail, _digest)
    found = list(among)
    for key in keys:
        if not found:
            break
        known = {key(path) for path in of}
        found = [path for path in found if key(path) in known]
    return found


def _tail(path: Path) -> tuple[int, bytes]:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        return size, file.read()


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").digest()
