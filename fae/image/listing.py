import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from PIL import Image

_MADE_BY_SYSTEMS = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"})


class Listing(NamedTuple):
    """What lies directly in a folder, each sorted by name."""

    images: list[Path]
    """Files with a suffix that Pillow opens; links to a missing file among them, so that reading them fails by name."""
    hidden: list[Path]
    """Hidden images, and hidden folders."""
    folders: list[Path]
    """Sub-folders that are not hidden."""
    others: list[Path]
    """Files with another suffix."""


def listing(folder: Path) -> Listing:
    """Sort what lies directly in a folder by its kind."""
    known = _known_suffixes()
    found = Listing([], [], [], [])
    for path in sorted(folder.iterdir()):
        image = path.suffix.lower() in known
        if is_hidden(path):
            if image or path.is_dir():
                found.hidden.append(path)
        elif path.is_dir():
            found.folders.append(path)
        elif image and (path.is_file() or path.is_symlink()):
            found.images.append(path)
        else:
            found.others.append(path)
    return found


def images_in(folder: Path) -> list[Path]:
    """Return the files directly in a folder with a suffix that Pillow opens, sorted by name, without hidden files."""
    return listing(folder).images


def is_hidden(path: Path) -> bool:
    """Return whether the name of a file or folder is hidden, or one that operating systems make."""
    return _is_hidden(path.name)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in _MADE_BY_SYSTEMS


def _known_suffixes() -> set[str]:
    return {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}


def all_images_in(folder: Path) -> list[Path]:
    """Return the images in a folder and in all of its visible sub-folders, folder by folder.

    Sub-folders that are links are not followed, because they may lead back.
    """
    found = listing(folder)
    below = [one for one in found.folders if not one.is_symlink()]
    return [*found.images, *(path for one in below for path in all_images_in(one))]


def walked_images(folder: Path, without: Path) -> Iterator[str]:
    """Yield the paths of the images that `all_images_in` lists, in no order, without holding all names of a folder.

    Args:
        folder: folder that may hold millions of files.
        without: folder that is left out with all that lies in it.
    """
    known = _known_suffixes()
    folders = [os.fspath(folder)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if _is_hidden(entry.name):
                    continue
                if entry.is_dir():
                    if not entry.is_symlink() and entry.path != os.fspath(without):
                        folders.append(entry.path)
                elif os.path.splitext(entry.name)[1].lower() in known and (entry.is_file() or entry.is_symlink()):
                    yield entry.path
