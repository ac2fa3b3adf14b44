import os
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from fae.data.decoded import decoded
from fae.image import Array, read_image
from tests.data.conftest import files_up_to

Decode = Callable[[], tuple[Array, np.ndarray]]


def read(path: Path) -> tuple[Array, tuple[int, int]]:
    image = read_image(path)
    return image, (image.shape[0], image.shape[1])


class Counted:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self, path: Path) -> tuple[Array, tuple[int, int]]:
        self.count += 1
        return read(path)


@pytest.fixture
def paths(tiny: Path) -> list[Path]:
    return sorted((tiny / "train" / "good").iterdir())


def test_in_memory_and_on_disk_alike(paths: list[Path], tmp_path: Path) -> None:
    expected = np.stack([read_image(path).transpose(2, 0, 1) for path in paths])
    for cache_dir in (None, tmp_path / "cache", tmp_path / "cache"):
        images, sizes = decoded(paths, (32, 32), read, "", cache_dir)
        np.testing.assert_array_equal(images, expected)
        np.testing.assert_array_equal(sizes, [[32, 32]] * len(paths))
        assert isinstance(images, np.memmap) == (cache_dir is not None)


def test_once_until_something_changes(paths: list[Path], tmp_path: Path) -> None:
    counted = Counted()

    def again(made_with: str = "", some: list[Path] = paths) -> int:
        before = counted.count
        decoded(some, (32, 32), counted, made_with, tmp_path / "cache")
        return counted.count - before

    assert again() == len(paths)
    assert again() == 0
    assert again("another") == len(paths)
    assert again(some=paths[1:]) == len(paths) - 1
    os.utime(paths[0], ns=(0, 0))
    assert again() == len(paths)
    assert again() == 0


def test_what_is_written_to_the_images_stays_out_of_the_file(paths: list[Path], tmp_path: Path) -> None:
    first, _ = decoded(paths, (32, 32), read, "", tmp_path)
    kept = first.copy()
    first[:] = 7
    np.testing.assert_array_equal(decoded(paths, (32, 32), read, "", tmp_path)[0], kept)


def test_a_bad_file_leaves_nothing_behind(paths: list[Path], tmp_path: Path) -> None:
    paths[5].write_bytes(b"")
    with pytest.raises(ValueError, match="005.png cannot be read"):
        decoded(paths, (32, 32), read, "", tmp_path)
    assert not [path for path in (tmp_path / "images").iterdir() if not path.name.endswith(".lock")]


def test_no_room_for_the_images(paths: list[Path], tmp_path: Path) -> None:
    with files_up_to(10_000), pytest.raises(OSError, match=r"images/.*npy could not be written .* Free some space"):
        decoded(paths, (32, 32), read, "", tmp_path)
    assert not list((tmp_path / "images").glob("*npy*"))


def _first_bytes(paths: list[Path], cache_dir: Path) -> int:
    return int(decoded(paths, (32, 32), read, "", cache_dir)[0].sum())


def test_two_processes_at_once(paths: list[Path], tmp_path: Path) -> None:
    with get_context("spawn").Pool(2) as pool:
        found = pool.starmap(_first_bytes, [(paths, tmp_path)] * 2)
    assert found[0] == found[1] > 0
    assert len(list((tmp_path / "images").glob("*.npy"))) == 2


def test_no_image_at_all(tmp_path: Path) -> None:
    images, sizes = decoded([], (32, 32), read, "", tmp_path)
    assert images.shape == (0, 3, 32, 32)
    assert sizes.shape == (0, 2)
