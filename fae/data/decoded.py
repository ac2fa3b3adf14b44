"""Decoded images, which are read once, kept in one file, and mapped into memory whenever they are needed again."""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import PIL
from filelock import FileLock
from tqdm import tqdm

from fae.data.memo import Memo, Seen, of_pixels, state_of
from fae.image import Array, Read
from fae.machine.atomic import whole
from fae.machine.cache import cache_folder

Shape = tuple[int, int]
Reading = Callable[[Path], Read]
"""A function that decodes a file to an image `(H, W, 3)` uint8 of its own size."""
Fit = Callable[[Array], Array]
"""A function that brings an image to the common size."""

_VERSION = 2  # version of the file's format
_TOGETHER = 256  # number of images that are decoded before they are written


class Decoded(NamedTuple):
    """Images at their common size, and what their files hold."""

    image: Array
    """`(N, 3, H, W)` uint8."""
    seen: list[Seen]
    """The digest of the decoded pixels and the size of each file."""


def decoded(
    paths: Sequence[Path],
    size: Shape,
    read: Reading,
    fit: Fit,
    made_with: str,
    cache_dir: Path | None,
    read_with: str = "",
) -> Decoded:
    """Decode image files, or map images that were decoded before.

    With a cache folder, the images do not occupy the process's own memory: the system reads the pages that are used,
    drops them if memory is short, and shares them among processes. The cache knows images by their content, wherever
    their files lie; a file is decoded again if it has changed, or if the decoders have another version.

    Args:
        paths: paths of the N image files.
        size: `(height, width)` of the images that `fit` returns, in pixels.
        read: function that decodes a file; it is called in several threads.
        fit: function that brings an image to the common size; it is called in several threads.
        made_with: text that names every setting of `fit`.
        cache_dir: folder whose sub-folder `images` keeps the decoded images; None keeps them in memory.
        read_with: text that names every setting of `read`.

    Raises:
        ValueError: a file is unreadable, so that `read` raises this error.
        OSError: the cache folder cannot be written.
    """

    def both(path: Path) -> tuple[str, Seen, Array]:
        state, found = state_of(path), read(path)
        return state, of_pixels(found), fit(found.rgb).transpose(2, 0, 1)

    shape = (len(paths), 3, *size)
    if cache_dir is None or not paths:
        kept, seen = np.empty(shape, np.uint8), []
        for i, (_, one, image) in enumerate(_each(paths, both)):
            kept[i] = image
            seen.append(one)
        return Decoded(kept, seen)
    folder, versions = cache_folder(cache_dir, "images"), (_VERSION, PIL.__version__, cv2.__version__)
    memo = Memo(cache_dir, f"pixels-{PIL.__version__}-{read_with}")
    places = hashlib.sha256(repr((versions, size, made_with, [os.path.abspath(path) for path in paths])).encode())
    with FileLock(folder / f".{places.hexdigest()[:16]}.lock"):  # only one of several processes decodes
        known = memo.recall(paths)
        changed = [path for path in dict.fromkeys(paths) if path not in known]
        if 0 < len(changed) < len(known):  # a few: the rest may be in the cache
            known |= dict(zip(changed, memo.of(changed, lambda path: of_pixels(read(path))), strict=True))
        if all(path in known for path in paths):
            seen = [known[path] for path in paths]
            kept_at = folder / _name(versions, size, made_with, seen)
            if kept_at.is_file():
                return Decoded(np.load(kept_at, mmap_mode="c"), seen)
        draft = folder / f".{places.hexdigest()[:16]}.npy"
        found = _write(draft, shape, _each(paths, both))
        memo.remember({path: (state, one) for path, (state, one) in zip(paths, found, strict=True)})
        seen = [one for _, one in found]
        kept_at = folder / _name(versions, size, made_with, seen)
        draft.replace(kept_at)
    # In copy-on-write mode the file stays as it is, and torch accepts the array without a warning.
    return Decoded(np.load(kept_at, mmap_mode="c"), seen)


def _each(paths: Sequence[Path], both: Callable[[Path], tuple[str, Seen, Array]]) -> Iterator[tuple[str, Seen, Array]]:
    """Read the files in their order, in threads, which are enough because the decoders release Python's lock."""
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        tqdm(total=len(paths), desc="decoding images", delay=2, disable=not sys.stderr.isatty()) as progress,
    ):
        for first in range(0, len(paths), _TOGETHER):
            for found in pool.map(both, paths[first : first + _TOGETHER]):
                yield found
                progress.update()


def _write(path: Path, shape: tuple[int, ...], found: Iterator[tuple[str, Seen, Array]]) -> list[tuple[str, Seen]]:
    """Write the images, and return the rest; nothing is mapped, because a full disk would then kill the process."""
    rest = []
    with whole(path) as draft, draft.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for state, seen, image in found:
            file.write(image.tobytes())
            rest.append((state, seen))
    return rest


def _name(versions: tuple[object, ...], size: Shape, made_with: str, seen: Sequence[Seen]) -> str:
    digest = hashlib.sha256(repr((versions, size, made_with)).encode())
    for one in seen:
        digest.update(one.digest)
    return f"{digest.hexdigest()[:16]}.npy"
