"""Decoded images, which are read once, kept in one file, and mapped into memory whenever they are needed again."""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import PIL
from filelock import FileLock
from numpy.typing import NDArray
from tqdm import tqdm

from fae.image import Array
from fae.machine.atomic import whole

Shape = tuple[int, int]
Read = Callable[[Path], tuple[Array, Shape]]
"""A function that maps a file to an image `(H, W, 3)` at the common size, and the file's own `(height, width)`."""

_VERSION = 1  # version of the file's format
_TOGETHER = 256  # number of images that are decoded before they are written


def decoded(
    paths: Sequence[Path], size: Shape, read: Read, made_with: str, cache_dir: Path | None
) -> tuple[Array, NDArray[np.int64]]:
    """Decode image files, or map images that were decoded before.

    With a cache folder, the images do not occupy the process's own memory: the system reads the pages that are used,
    drops them if memory is short, and shares them among processes. If a file was changed or moved, or the decoders have
    another version, the images are decoded again.

    Args:
        paths: paths of the N image files.
        size: `(height, width)` of the images that `read` returns, in pixels.
        read: function that reads a file; it is called in several threads.
        made_with: text that names every other setting that determines the images.
        cache_dir: folder whose sub-folder `images` keeps the decoded images; None keeps them in memory.

    Returns:
        the images `(N, 3, H, W)` uint8, and the files' own sizes `(N, 2)` int64, in pixels.

    Raises:
        ValueError: a file is unreadable, so that `read` raises this error.
        OSError: the cache folder cannot be written.
    """
    images = (len(paths), 3, *size)
    if cache_dir is None or not paths:
        kept, shapes = np.empty(images, np.uint8), np.empty((len(paths), 2), np.int64)
        for i, (image, shape) in enumerate(_each(paths, read)):
            kept[i], shapes[i] = image.transpose(2, 0, 1), shape
        return kept, shapes
    folder = cache_dir / "images"
    name = _key(paths, size, made_with)
    image_file, shape_file = folder / f"{name}.npy", folder / f"{name}-sizes.npy"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{name}.lock"):  # only one of several processes decodes
        if not image_file.is_file():
            _write(image_file, shape_file, images, _each(paths, read))
    # In copy-on-write mode the file stays as it is, and torch accepts the array without a warning.
    return np.load(image_file, mmap_mode="c"), np.load(shape_file)


def _each(paths: Sequence[Path], read: Read) -> Iterator[tuple[Array, Shape]]:
    """Read the files in their order, in threads, which are enough because the decoders release Python's lock."""
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        tqdm(total=len(paths), desc="decoding images", delay=2, disable=not sys.stderr.isatty()) as progress,
    ):
        for first in range(0, len(paths), _TOGETHER):
            for found in pool.map(read, paths[first : first + _TOGETHER]):
                yield found
                progress.update()


def _write(image_file: Path, shape_file: Path, images: tuple[int, ...], found: Iterator[tuple[Array, Shape]]) -> None:
    """Write the sizes before the images: if the images' file exists, both are complete.

    The file is written, not mapped, because on a full disk a write to a map would kill the process.
    """
    shapes = []
    with whole(image_file) as draft:
        with draft.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": images})
            for image, shape in found:
                file.write(image.transpose(2, 0, 1).tobytes())
                shapes.append(shape)
        with whole(shape_file) as sizes, sizes.open("wb") as file:
            np.save(file, np.array(shapes, np.int64))


def _key(paths: Sequence[Path], size: Shape, made_with: str) -> str:
    versions = (_VERSION, PIL.__version__, cv2.__version__)
    digest = hashlib.sha256(repr((versions, size, made_with)).encode())
    for path in paths:
        facts = path.stat()
        digest.update(f"{os.path.abspath(path)}:{facts.st_size}:{facts.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]
