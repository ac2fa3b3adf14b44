from pathlib import Path
from tempfile import TemporaryFile


def cache_folder(cache_dir: Path, name: str) -> Path:
    """Return a sub-folder of the cache, which is made if it is missing.

    Args:
        cache_dir: folder of the cache.
        name: name of the sub-folder.

    Raises:
        OSError: the folder cannot be written; the message says how to name another cache.
    """
    folder = cache_dir / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OSError(
            f"cache_dir (={cache_dir}) cannot be written ({error.strerror}); set FAE_CACHE_DIR to another folder, or "
            "write cache_dir=DIR"
        ) from error
    return folder
