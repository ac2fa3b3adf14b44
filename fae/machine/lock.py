"""A folder is one process's at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def locked(run_dir: Path, name: str = "run_dir", patience_s: float = 0) -> Iterator[None]:
    """Hold a folder, creating it where it is missing and removing it where nothing was written into it.

    Args:
        run_dir: the folder.
        name: of the key that names it.
        patience_s: how long to wait for a process that holds it.

    Raises:
        ValueError: another process holds it.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(run_dir / ".lock")
    try:
        lock.acquire(timeout=patience_s)
    except Timeout as error:
        raise ValueError(f"{name} (={run_dir}) is in use by another process; wait for it, or choose another") from error
    try:
        yield
    finally:
        lock.release()
        if [path.name for path in run_dir.iterdir()] == [".lock"]:
            (run_dir / ".lock").unlink()
            run_dir.rmdir()
