"""A lock ensures that only one process at a time uses a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def locked(run_dir: Path, name: str = "run_dir", patience_s: float = 0) -> Iterator[None]:
    """Lock a folder; it is created if it is missing, and removed if nothing was written into it.

    Args:
        run_dir: path of the folder.
        name: configuration key that names the folder, for the error message.
        patience_s: number of seconds to wait for another process that holds the folder.

    Raises:
        ValueError: another process holds the folder.
        OSError: the folder is a file, or cannot be written.
    """
    lock = FileLock(run_dir / ".lock")
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=patience_s)
    except Timeout as error:
        raise ValueError(
            f"{name} (={run_dir}) is in use by another process; wait until it ends, or choose another folder"
        ) from error
    except OSError as error:
        raise OSError(
            f"{name} (={run_dir}) cannot be written ({error.strerror}); choose another folder, or change its rights"
        ) from error
    try:
        yield
    finally:
        lock.release()
        if [path.name for path in run_dir.iterdir()] == [".lock"]:
            (run_dir / ".lock").unlink()
            run_dir.rmdir()
