import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from fae.image import ReadImage, depth_of, images_in, is_turned, outline, read_image, read_mask


@pytest.fixture
def rgb() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".bmp", ".TIFF", ".tif", ".webp", ".ppm", ".Jpeg"])
def test_any_suffix_in_any_case(suffix: str, rgb: np.ndarray, tmp_path: Path) -> None:
    smooth = np.full_like(rgb, 100)
    path = tmp_path / f"image{suffix}"
    Image.fromarray(smooth).save(path)
    assert images_in(tmp_path) == [path]
    assert np.abs(read_image(path).astype(int) - 100).max() <= 3  # JPEG and WebP are lossy


def test_other_files_are_no_images(tmp_path: Path) -> None:
    for name in (".hidden.png", "notes.txt", "Thumbs.db", "a.pdf"):
        (tmp_path / name).write_text("x")
    assert images_in(tmp_path) == []


def test_modes(rgb: np.ndarray, tmp_path: Path) -> None:
    def stored(image: Image.Image, name: str = "a.png") -> np.ndarray:
        image.save(tmp_path / name)
        return read_image(tmp_path / name)

    image = Image.fromarray(rgb)
    assert np.array_equal(stored(image), rgb)
    grey = rgb[..., 0]
    assert np.array_equal(stored(Image.fromarray(grey)), np.repeat(grey[..., None], 3, 2))
    assert np.array_equal(stored(image.convert("RGBA")), rgb)
    assert np.array_equal(stored(Image.fromarray(grey).convert("LA")), np.repeat(grey[..., None], 3, 2))
    palette = image.quantize(16)
    assert np.array_equal(stored(palette), np.asarray(palette.convert("RGB")))
    wide = grey.astype(np.uint16) * 257
    assert np.array_equal(stored(Image.fromarray(wide)), np.repeat(grey[..., None], 3, 2))
    assert np.array_equal(stored(Image.fromarray(wide), "a.tif"), np.repeat(grey[..., None], 3, 2))
    assert set(np.unique(stored(Image.fromarray(grey > 127)))) == {0, 255}


def test_16_bit_colour(rgb: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    cv2.imwrite(str(path), rgb[..., ::-1].astype(np.uint16) * 257)
    assert np.array_equal(read_image(path), rgb)


@pytest.mark.parametrize("depth", [8, 10, 12, 14])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_camera_of_few_bits_in_files_of_16(depth: int, channels: int, suffix: str, tmp_path: Path) -> None:
    """Read with their depth, the levels are those of the same values shifted to 16 bits."""
    full = 2**depth - 1
    values = np.random.default_rng(0).integers(0, full + 1, (12, 10, channels), dtype=np.uint16)
    values[0, 0] = full
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), values[..., ::-1])
    read = ReadImage(bit_depth=depth)(path)
    assert np.array_equal(read.rgb, np.broadcast_to(np.round(values * (255 / full)), (12, 10, 3)))
    assert ReadImage()(path).peak == read.peak == full
    assert depth_of(full) == depth
    assert depth_of(full + 1) == {8: 10, 10: 12, 12: 14, 14: None}[depth]
    if depth > 8:
        with pytest.raises(ValueError, match=rf"values from \d+ to {full}, but data.bit_depth \(=8\) ends at 255"):
            ReadImage(bit_depth=8)(path)


def test_values_beyond_16_bits_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 70_000]], np.int32)).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match="to 70000, but an image of 16 bits ends at 65535"):
        read_image(tmp_path / "a.tif")


def test_several_pages_are_refused_or_the_first_is_read(rgb: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    pages = [Image.fromarray(rgb), Image.fromarray(255 - rgb)]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    with pytest.raises(ValueError, match=r"stack.tif has 2 pages, .* data.pages=first"):
        read_image(path)
    first = ReadImage(pages="first")(path)
    assert first.pages == 2
    assert np.array_equal(first.rgb, rgb)
    with pytest.raises(ValueError, match="mask .*stack.tif has 2 pages"):
        read_mask(path)


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_turns_colours_of_16_bits(turn: int, rgb: np.ndarray, tmp_path: Path) -> None:
    """As it turns the same image of 8 bits; the PNG file gets its EXIF data by hand, because OpenCV writes none."""
    exif = Image.Exif()
    exif[0x112] = turn
    Image.fromarray(rgb).save(tmp_path / "a.png", exif=exif)
    cv2.imwrite(str(tmp_path / "deep.png"), rgb[..., ::-1].astype(np.uint16) * 257)
    content, chunk = (tmp_path / "deep.png").read_bytes(), b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
    end = content.index(b"IDAT") - 4  # the chunk stands before the pixels
    added = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "deep.png").write_bytes(content[:end] + added + content[end:])
    assert np.array_equal(read_image(tmp_path / "deep.png"), read_image(tmp_path / "a.png"))


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_turns_a_tiff_file_of_16_bits_once(turn: int, rgb: np.ndarray, tmp_path: Path) -> None:
    """OpenCV turns TIFF files itself; the tag is written into the file by hand, over that of the rows in a strip."""
    exif = Image.Exif()
    exif[0x112] = turn
    Image.fromarray(rgb).save(tmp_path / "a.tif", exif=exif)
    cv2.imwrite(str(tmp_path / "deep.tif"), rgb[..., ::-1].astype(np.uint16) * 257, [cv2.IMWRITE_TIFF_COMPRESSION, 1])
    content = bytearray((tmp_path / "deep.tif").read_bytes())
    at = content.index(struct.pack("<HHI", 0x116, 3, 1))  # without it, all rows are one strip
    content[at : at + 12] = struct.pack("<HHIHH", 0x112, 3, 1, turn, 0)
    (tmp_path / "deep.tif").write_bytes(content)
    assert np.array_equal(read_image(tmp_path / "deep.tif"), read_image(tmp_path / "a.tif"))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
def test_truncated_files_are_errors(suffix: str, rgb: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(np.tile(rgb, (6, 6, 1))).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=rf"a\{suffix} cannot be read as an image .* replace or remove it"):
        read_image(path)


def test_a_header_that_lies_takes_no_memory(rgb: np.ndarray, tmp_path: Path) -> None:
    """Else a file of a few hundred bytes would be decoded to 65,000×65,000 pixels."""
    Image.fromarray(rgb).save(tmp_path / "a.jpg")
    content = bytearray((tmp_path / "a.jpg").read_bytes())
    frame = content.index(b"\xff\xc0")
    content[frame + 5 : frame + 9] = struct.pack(">HH", 65_000, 65_000)
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(ValueError, match=r"a.jpg cannot be read .*cannot hold its 65000×65000 pixels"):
        read_image(tmp_path / "a.jpg")


def test_an_even_image_is_small_as_a_file(tmp_path: Path) -> None:
    """It takes about one byte for 150 pixels, which is no lie."""
    Image.new("RGB", (4000, 3000), (9, 9, 9)).save(tmp_path / "a.jpg", quality=1, subsampling=2, optimize=True)
    assert read_image(tmp_path / "a.jpg").shape == (3000, 4000, 3)


def test_garbage_and_floats_are_errors(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"not an image")
    with pytest.raises(ValueError, match="cannot be read"):
        read_image(tmp_path / "a.png")
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(ValueError, match="floating-point"):
        read_image(tmp_path / "f.tif")


def test_masks(tmp_path: Path) -> None:
    mask = np.zeros((6, 5), np.uint8)
    mask[2:4, 1:3] = 255
    faint = np.where(mask > 0, 100, 0).astype(np.uint8)
    for i, (image, expected) in enumerate(
        [
            (Image.fromarray(mask), mask > 0),
            (Image.fromarray(mask > 0), mask > 0),
            (Image.fromarray(mask).convert("RGBA"), mask > 0),
            (Image.fromarray(mask.astype(np.uint16) * 257), mask > 0),
            (Image.fromarray(faint), mask > 0),
        ]
    ):
        image.save(tmp_path / f"{i}.png")
        assert np.array_equal(read_mask(tmp_path / f"{i}.png"), expected)


@pytest.mark.parametrize(
    ("suffix", "orientation"),
    [(suffix, turn) for suffix in (".png", ".jpg", ".tif") for turn in range(1, 9)],
)
def test_exif_turns_an_image(suffix: str, orientation: int, tmp_path: Path) -> None:
    stored = np.zeros((16, 24), np.uint8)
    stored[:8, :8] = 255
    exif = Image.Exif()
    exif[0x112] = orientation
    path = tmp_path / f"a{suffix}"
    Image.fromarray(stored).save(path, exif=exif)
    expected = [stored, stored[:, ::-1], stored[::-1, ::-1], stored[::-1], stored.T, np.rot90(stored, -1)]
    expected += [stored[::-1, ::-1].T, np.rot90(stored)]
    assert np.abs(read_image(path)[..., 0].astype(int) - expected[orientation - 1]).max() < 30
    assert is_turned(path) == outline(path).turned == (orientation > 1)
