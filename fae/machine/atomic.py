"""Files appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a draft to write to. It replaces `path` if the block succeeds; otherwise it is removed.

    Raises:
        OSError: the disk is full or the folder cannot be written; the message names `path` and the remedy, and the
            file that was at `path` before stays.
    """
    draft = path.with_name(f".{path.name}.part")
    try:
        yield draft
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise OSError(
            error.errno,
            f"{path} could not be written ({error.strerror or error}); what was there before is unchanged. "
            "Free some space, then repeat the command to go on",
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8; it appears whole or not at all."""
    with whole(path) as draft:
        draft.write_text(text, encoding="utf-8")
