from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fae.image import read_image
from fae.picture.region import Box, Regions
from fae.serve.finding import KINDS, find
from fae.serve.model import Model
from tests.serve.stub import model


def save(path: Path, array: np.ndarray, **how: object) -> Path:
    Image.fromarray(array).save(path, **how)
    return path


def test_a_picture_has_score_regions_and_pictures(tmp_path: Path) -> None:
    image = np.full((40, 60, 3), 51, np.uint8)
    image[10:20, 30:36] = 204
    image[0, 0] = 255
    found = find(model(), save(tmp_path / "1.png", image), "part.png", 1, tmp_path / "0000")
    assert found.score == 1
    assert found.regions == Regions(61, 2, Box(30, 10, 6, 10))
    for kind in KINDS:
        assert read_image(Path(f"{found.pictures}-{kind}.jpg")).shape == (240, 360, 3)
    big = find(model(), save(tmp_path / "2.png", np.zeros((1000, 500, 3), np.uint8)), "big.png", 1, tmp_path / "1")
    assert read_image(Path(f"{big.pictures}-map.jpg")).shape == (720, 360, 3)
    assert big.regions == Regions(0, 0, None)


def test_files_are_read_as_the_detector_reads_them(tmp_path: Path) -> None:
    """Here 16 bits and a turned photograph, of which other readers make something else."""
    deep = np.full((8, 10), 51 * 257, np.uint16)
    deep[2, 3] = 204 * 257
    assert find(model(), save(tmp_path / "deep.png", deep), "deep.png", 1).score == pytest.approx(0.8)
    image, exif = np.full((20, 40, 3), 10, np.uint8), Image.Exif()
    image[:, :20] = 255
    exif[0x0112] = 6
    found = find(model(), save(tmp_path / "turned.jpg", image, exif=exif, quality=95), "turned.jpg", 1)
    assert found.regions is not None
    assert found.regions.largest is not None
    assert found.regions.largest[:3] == pytest.approx((0, 0, 20), abs=1)


def test_a_picture_that_is_too_large_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "file"
    Image.new("1", (20000, 10000)).save(path, "PNG")
    never = replace(model(), read=lambda _: pytest.fail("it was decoded"))
    found = find(never, path, "huge.png", 50)
    assert found.error == (
        "huge.png has 20000×10000 pixels, which are 200 megapixels, but max_megapixels is 50; send a smaller picture, "
        "or start the server with a larger max_megapixels"
    )


def fails(error: Exception) -> Model:
    def detect(_: object) -> None:
        raise error

    return replace(model(), detect=detect)  # type: ignore[arg-type]


def test_what_fails_is_told_without_paths(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = save(tmp_path / "good.png", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "text").write_text("no image")
    (tmp_path / "program").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    pages = tmp_path / "pages.tif"
    Image.new("L", (8, 8)).save(pages, save_all=True, append_images=[Image.new("L", (8, 8))])
    secret = f"{tmp_path}/weights.bin"
    for tried, path, message in (
        (model(), tmp_path / "text", "x is no image that can be read here; send JPEG, PNG"),
        (model(), tmp_path / "program", "x is no image that can be read here"),
        (model(), tmp_path / "nowhere", "x is no image that can be read here"),
        (model(), pages, "x has 2 pages, but an image is one page"),
        (fails(ValueError("the map holds NaN")), good, "the map holds NaN"),
        (fails(RuntimeError(secret)), good, "x could not be scored (RuntimeError); the server's output says more"),
        (fails(OSError(5, "no", secret)), good, "x could not be scored (OSError)"),
        (fails(MemoryError()), good, "x could not be scored (MemoryError)"),
    ):
        found = find(tried, path, "x", 1)
        assert found.score is None
        assert found.error is not None
        assert found.error.startswith(message)
        assert str(tmp_path) not in found.error
    assert secret in capsys.readouterr().err
