import os
import shutil
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fae.data.decoded import decoded
from fae.data.memo import of_pixels
from fae.image import Array, Read, ReadImage, read_image
from tests.data.conftest import files_up_to

READ = ReadImage()


def same(image: Array) -> Array:
    return image


class Counted:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self, path: Path) -> Read:
        self.count += 1
        return READ(path)


@pytest.fixture
def paths(tiny: Path) -> list[Path]:
    return sorted((tiny / "train" / "good").iterdir())


def test_in_memory_and_on_disk_alike(paths: list[Path], tmp_path: Path) -> None:
    expected = np.stack([read_image(path).transpose(2, 0, 1) for path in paths])
    for cache_dir in (None, tmp_path / "cache", tmp_path / "cache"):
        images, seen = decoded(paths, (32, 32), READ, same, "", cache_dir)
        np.testing.assert_array_equal(images, expected)
        assert seen == [of_pixels(READ(path)) for path in paths]
        assert isinstance(images, np.memmap) == (cache_dir is not None)


def test_once_until_something_changes(paths: list[Path], tmp_path: Path) -> None:
    counted = Counted()

    def again(made_with: str = "", some: list[Path] = paths) -> int:
        before = counted.count
        images, _ = decoded(some, (32, 32), counted, same, made_with, tmp_path / "cache")
        np.testing.assert_array_equal(images[0], read_image(some[0]).transpose(2, 0, 1))
        return counted.count - before

    assert again() == len(paths)
    assert again() == 0
    assert again("another") == len(paths)
    assert again(some=paths[1:]) == len(paths) - 1
    os.utime(paths[0], ns=(0, 0))
    assert again() == 1, "only the file that changed is looked at, and it holds what it held"
    assert again() == 0


def test_another_file_of_one_name_size_and_date(paths: list[Path], tmp_path: Path) -> None:
    """Two cameras that write BMP files: nothing but the pixels tells their images apart."""
    folders = []
    for seed in range(2):
        folders.append(tmp_path / str(seed))
        folders[-1].mkdir()
        values = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(values).save(folders[-1] / "0.bmp")
        os.utime(folders[-1] / "0.bmp", ns=(0, 0))
    path = tmp_path / "live.bmp"
    found = []
    for folder in (folders[0], folders[1], folders[0]):
        shutil.copy2(folder / "0.bmp", path)  # with its date
        images, seen = decoded([path], (32, 32), READ, same, "", tmp_path / "cache")
        np.testing.assert_array_equal(images[0], read_image(path).transpose(2, 0, 1))
        found.append(seen[0].digest)
    assert found[0] == found[2] != found[1]


def test_pixels_alone_count(paths: list[Path], tmp_path: Path) -> None:
    """Compressed anew or moved, an image is the same; turned by a row, it is another."""
    image = READ(paths[0])
    for name in ("a.png", "b.bmp", "c.tif"):
        Image.fromarray(image.rgb).save(tmp_path / name)
        assert of_pixels(READ(tmp_path / name)) == of_pixels(image)
    assert of_pixels(Read(np.roll(image.rgb, 1, axis=0))).digest != of_pixels(image).digest
    flat = np.zeros((4, 8, 3), np.uint8)
    assert of_pixels(Read(flat)).digest != of_pixels(Read(flat.reshape(8, 4, 3))).digest


def test_a_broken_database_is_named(paths: list[Path], tmp_path: Path) -> None:
    decoded(paths, (32, 32), READ, same, "", tmp_path)
    (tmp_path / "files.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(OSError, match=r"files.sqlite cannot be used \(.*\); delete it"):
        decoded(paths, (32, 32), READ, same, "", tmp_path)


def test_what_is_written_to_the_images_stays_out_of_the_file(paths: list[Path], tmp_path: Path) -> None:
    first, _ = decoded(paths, (32, 32), READ, same, "", tmp_path)
    kept = first.copy()
    first[:] = 7
    np.testing.assert_array_equal(decoded(paths, (32, 32), READ, same, "", tmp_path)[0], kept)


def test_a_bad_file_leaves_nothing_behind(paths: list[Path], tmp_path: Path) -> None:
    paths[5].write_bytes(b"")
    with pytest.raises(ValueError, match="005.png cannot be read"):
        decoded(paths, (32, 32), READ, same, "", tmp_path)
    assert not [path for path in (tmp_path / "images").iterdir() if not path.name.endswith(".lock")]


def test_no_room_for_the_images(paths: list[Path], tmp_path: Path) -> None:
    with files_up_to(10_000), pytest.raises(OSError, match=r"images/.*npy could not be written .* Free some space"):
        decoded(paths, (32, 32), READ, same, "", tmp_path)
    assert not list((tmp_path / "images").glob("*npy*"))


def _first_bytes(paths: list[Path], cache_dir: Path) -> int:
    return int(decoded(paths, (32, 32), READ, same, "", cache_dir)[0].sum())


def test_two_processes_at_once(paths: list[Path], tmp_path: Path) -> None:
    with get_context("spawn").Pool(2) as pool:
        found = pool.starmap(_first_bytes, [(paths, tmp_path)] * 2)
    assert found[0] == found[1] > 0
    assert len(list((tmp_path / "images").glob("*.npy"))) == 1


def test_no_image_at_all(tmp_path: Path) -> None:
    images, seen = decoded([], (32, 32), READ, same, "", tmp_path)
    assert images.shape == (0, 3, 32, 32)
    assert seen == []
