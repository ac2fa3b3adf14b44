"""Zip files that strangers send: their members are read in memory, and their names are never used as paths."""

import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile

from fae.image import is_hidden

MOST_MEMBERS = 1000
"""The most files and folders that a zip may hold."""
_RATIO = 10
"""The most that all members together may hold, as a multiple of the limit for one of them."""
_SIGNS = (b"PK\x03\x04", b"PK\x05\x06")
_BROKEN = (BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)
"""What `zipfile` raises for what it cannot read."""


class ArchiveError(ValueError):
    """A zip is refused; the message names it and the remedy, and no path of this machine."""


def is_archive(file: Path, name: str) -> bool:
    """Return whether a file is a zip, or is called one."""
    with file.open("rb") as opened:
        return opened.read(4) in _SIGNS or name.lower().endswith(".zip")


def members(file: Path, name: str, max_mb: float) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each file in a zip, folders and hidden files excepted.

    Sizes are counted while they are read, as the sizes that a zip states may be wrong.

    Args:
        file: path of the zip.
        name: name that the user knows it by.
        max_mb: largest content of one member in MB; all of them may hold ten times as much.

    Raises:
        ArchiveError: the zip is broken or encrypted, or holds too much.
    """
    most = int(max_mb * 1e6)
    left = most * _RATIO
    try:
        with ZipFile(file) as archive:
            listed = archive.infolist()
            if len(listed) > MOST_MEMBERS:
                raise ArchiveError(
                    f"{name} holds {len(listed)} files, but {MOST_MEMBERS} are the most; send it in parts"
                )
            if any(one.flag_bits & 1 for one in listed):
                raise ArchiveError(f"{name} is encrypted; make a zip without a password")
            _check(name, sum(one.file_size for one in listed), left)
            for one in listed:
                if one.is_dir() or any(is_hidden(Path(part)) for part in _parts(one.filename)):
                    continue
                with archive.open(one) as opened:
                    content = opened.read(min(most, left) + 1)
                if len(content) > most:
                    raise ArchiveError(
                        f"{one.filename} in {name} unpacks to more than {max_mb:g} MB; send a smaller file, or start "
                        "the server with a larger max_upload_mb"
                    )
                left -= len(content)
                _check(name, most * _RATIO - left, most * _RATIO)
                yield one.filename, content
    except ArchiveError:
        raise
    except _BROKEN as error:
        raise ArchiveError(f"{name} is no zip that can be unpacked; make it anew") from error


def _parts(name: str) -> list[str]:
    return [part for part in PurePosixPath(name).parts if part != ".."]


def _check(name: str, size: int, most: int) -> None:
    if size > most:
        raise ArchiveError(
            f"{name} unpacks to more than {most / 1e6:g} MB ({size / 1e6:.4g} MB); send it in parts, or start the "
            "server with a larger max_upload_mb"
        )
