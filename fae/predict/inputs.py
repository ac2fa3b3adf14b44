"""The files that the words of `input` name, as streams: there may be ten million."""

import glob
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fae.image import walked_images

_LIST = "@"
_BOM = b"\xef\xbb\xbf"


class Inputs:
    """Files, folders, globs and lists of paths.

    Args:
        words: value of `input`: one text or a list of them. `@FILE` is a list, with a path in each line, which is
            absolute or relative to the list's folder.
        output: folder of the predictions; files in it are no inputs.

    Raises:
        ValueError: no word is given, or a list names no file.
        FileNotFoundError: a word is no file, no folder with images and no glob that matches a file, or a list is
            missing.
    """

    def __init__(self, words: Any, output: Path) -> None:
        some = [words] if isinstance(words, str | int | float | None) else list(words)
        self.words = [str(word) for word in some if word is not None]
        self.output = Path(os.path.abspath(output))
        if not self.words:
            raise ValueError("input must name a file, a folder or a glob; it names none")
        for word in self.words:
            if next(self._files(word), None) is not None:
                continue
            if word.startswith(_LIST):
                raise ValueError(f"input (={word}) names no file; write one path in each line")
            raise FileNotFoundError(
                f"input (={word}) is no file, no folder with images and no glob that matches a file; files in output "
                "do not count"
            )

    def __iter__(self) -> Iterator[bytes]:
        """Yield absolute paths, links not followed, in no particular order; a path may occur several times."""
        return (os.fsencode(path) for word in self.words for path in self._files(word))

    def root(self) -> Path:
        """Return the folder that all inputs lie in."""
        return Path(_common(root for word in self.words for root in self._roots(word)))

    def _files(self, word: str) -> Iterator[str]:
        inside = f"{self.output}{os.sep}"
        return (path for path in self._all_files(word) if not path.startswith(inside))

    def _all_files(self, word: str) -> Iterator[str]:
        if word.startswith(_LIST):
            return _listed(Path(word.removeprefix(_LIST)), word)
        path = os.path.abspath(word)
        if os.path.isdir(path):
            return walked_images(Path(path), self.output)
        if os.path.isfile(path):
            return iter((path,))
        return filter(os.path.isfile, glob.iglob(path, recursive=True))

    def _roots(self, word: str) -> Iterator[str]:
        """Yield folders that together hold all files of a word."""
        if word.startswith(_LIST):
            return map(os.path.dirname, self._files(word))
        path = os.path.abspath(word)
        if os.path.isdir(path):
            return iter((path,))
        if os.path.isfile(path):
            return iter((os.path.dirname(path),))
        fixed: Sequence[str] = [*itertools.takewhile(lambda part: not glob.has_magic(part), Path(path).parts)]
        return iter((os.path.join(*fixed),))


def _listed(file: Path, word: str) -> Iterator[str]:
    if not file.is_file():
        raise FileNotFoundError(f"input (={word}) is no file; name a text file with one path in each line")
    folder = os.path.abspath(file.parent)
    with file.open("rb") as lines:
        for number, line in enumerate(lines):
            path = (line.removeprefix(_BOM) if number == 0 else line).strip(b"\r\n")
            if path:
                yield os.path.normpath(os.path.join(folder, os.fsdecode(path)))


def _common(folders: Iterator[str]) -> str:
    common = next(folders)
    for folder in folders:
        if folder != common:
            common = os.path.commonpath((common, folder))
    return common
