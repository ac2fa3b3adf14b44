"""Files are read as fae reads them, bit for bit, or refused."""

import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from fae.image import ReadImage
from fae_runtime.read import read_image
from tests.runtime.exported import picture

RGB = picture(0, 61, 83)
GREY = RGB[..., 0]
ALPHA = np.dstack([RGB, picture(1, 61, 83)[..., 0]])
DEEP = RGB.astype(np.uint16) * 257 - RGB[..., ::-1]
PALETTE = Image.fromarray(RGB).quantize(16)
ORIENTATION, BITS, PLANES = 0x112, 258, 284


def exif(turn: int) -> Image.Exif:
    found = Image.Exif()
    found[ORIENTATION] = turn
    return found


def by_pillow(pixels: np.ndarray | Image.Image, suffix: str, **options: object) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / f"a.{suffix}"
        (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(path, **options)
        return path

    return write


def by_opencv(pixels: np.ndarray, suffix: str, *options: int) -> Callable[[Path], Path]:
    """A file of pixels `(H, W, 3)` in RGB, or `(H, W, 4)` with alpha."""

    def write(folder: Path) -> Path:
        path = folder / f"a.{suffix}"
        order = [2, 1, 0, 3][: pixels.shape[2]] if pixels.shape[2] > 1 else [0]
        assert cv2.imwrite(str(path), pixels[..., order], list(options))
        return path

    return write


SAMPLING = {name: getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{name}") for name in ("411", "440")}
SAME = {
    **{f"jpeg-4{'42'[i > 0]}{'420'[i]}": by_pillow(RGB, "jpg", subsampling=i) for i in range(3)},
    **{f"jpeg-{k}": by_opencv(RGB, "jpg", cv2.IMWRITE_JPEG_SAMPLING_FACTOR, v) for k, v in SAMPLING.items()},
    **{f"jpeg-quality-{quality}": by_pillow(RGB, "jpg", quality=quality) for quality in (10, 50, 95, 100)},
    **{f"jpeg-progressive-{i}": by_pillow(RGB, "jpg", progressive=True, subsampling=i) for i in range(3)},
    "jpeg-grey": by_pillow(GREY, "jpg"),
    "jpeg-in-rgb": by_pillow(RGB, "jpg", keep_rgb=True),
    "jpeg-restart": by_opencv(RGB, "jpg", cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    "jpeg-mpo": by_pillow(RGB, "mpo", save_all=True, append_images=[Image.fromarray(GREY)]),
    "png": by_pillow(RGB, "png"),
    "png-grey": by_pillow(GREY, "png"),
    "png-alpha": by_pillow(ALPHA, "png"),
    "png-grey-alpha": by_pillow(ALPHA[..., 2:], "png"),
    "png-1-bit": by_pillow(GREY > 127, "png"),
    **{f"png-palette-{n}": by_pillow(Image.fromarray(RGB).quantize(n), "png") for n in (2, 4, 16, 256)},
    "png-palette-one-transparent": by_pillow(PALETTE, "png", transparency=3),
    "png-transparent-colour": by_pillow(RGB, "png", transparency=tuple(RGB[0, 0].tolist())),
    "png-grey-transparent": by_pillow(GREY, "png", transparency=int(GREY[0, 0])),
    "png-16-grey": by_pillow(DEEP[..., 0], "png"),
    "png-16-rgb": by_opencv(DEEP, "png"),
    "png-16-alpha": by_opencv(np.dstack([DEEP, DEEP[..., 0]]), "png"),
    "tiff": by_pillow(RGB, "tif"),
    "tiff-grey": by_pillow(GREY, "tif"),
    "tiff-1-bit": by_pillow(GREY > 127, "tif"),
    "tiff-16-grey": by_pillow(DEEP[..., 0], "tif"),
    "tiff-16-rgb": by_opencv(DEEP, "tif"),
    "tiff-palette": by_pillow(PALETTE, "tif"),
    **{f"tiff-{kind}": by_pillow(RGB, "tif", compression=kind) for kind in ("tiff_lzw", "tiff_deflate", "packbits")},
    "tiff-group4": by_pillow(GREY > 127, "tif", compression="group4"),
    "bmp": by_pillow(RGB, "bmp"),
    "bmp-grey": by_pillow(GREY, "bmp"),
    "bmp-1-bit": by_pillow(GREY > 127, "bmp"),
    "bmp-palette": by_pillow(PALETTE, "bmp"),
    "bmp-alpha": by_pillow(ALPHA, "bmp"),
    "webp": by_pillow(RGB, "webp", quality=80),
    "webp-lossless": by_pillow(RGB, "webp", lossless=True),
    "webp-alpha": by_pillow(ALPHA, "webp", lossless=True, exact=True),
    **{
        f"{suffix}-turned-{turn}": by_pillow(RGB, suffix, exif=exif(turn))
        for suffix in ("jpg", "png", "tif", "webp")
        for turn in range(1, 9)
    },
    **{f"png-16-turned-{turn}": by_pillow(DEEP[..., 0], "png", exif=exif(turn)) for turn in range(2, 9)},
    **{f"tiff-16-turned-{turn}": by_pillow(DEEP[..., 0], "tif", exif=exif(turn)) for turn in range(2, 9)},
}
"""Ways to write a file that is read alike."""


@pytest.mark.parametrize("kind", SAME)
def test_a_file_is_read_as_fae_reads_it(kind: str, tmp_path: Path) -> None:
    path = SAME[kind](tmp_path)
    found = read_image(path)
    assert found.dtype == np.uint8
    assert np.array_equal(found, ReadImage()(path).rgb)


@pytest.mark.parametrize("depth", [None, 8, 10, 12, 14, 16])
@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_camera_of_few_bits(depth: int | None, suffix: str, channels: int, tmp_path: Path) -> None:
    full = 2 ** (depth or 16) - 1
    values = np.random.default_rng(0).integers(0, full + 1, (12, 10, channels), dtype=np.uint16)
    values[0, 0] = full
    path = by_opencv(values, suffix)(tmp_path)
    assert np.array_equal(read_image(path, depth), ReadImage(depth)(path).rgb)
    if full < 65535:
        cv2.imwrite(str(path), values + 1)
        with pytest.raises(ValueError, match=rf"values up to {full + 1}, but .* data.bit_depth \(={depth}\) ends at"):
            read_image(path, depth)


@pytest.mark.parametrize("suffix", ["tif", "png", "webp"])
def test_several_pages_are_refused_or_the_first_is_read(suffix: str, tmp_path: Path) -> None:
    further = [Image.fromarray(255 - RGB)]
    path = by_pillow(RGB, suffix, save_all=True, append_images=further, lossless=True)(tmp_path)
    with pytest.raises(ValueError, match=r"several pages\); .* or export a run with data.pages=first"):
        read_image(path)
    assert np.array_equal(read_image(path, pages="first"), ReadImage(pages="first")(path).rgb)


def changed(write: Callable[[Path], Path], change: Callable[[bytearray], bytes]) -> Callable[[Path], Path]:
    def rewrite(folder: Path) -> Path:
        path = write(folder)
        path.write_bytes(change(bytearray(path.read_bytes())))
        return path

    return rewrite


def with_tag(tag: int, value: int) -> Callable[[bytearray], bytes]:
    """Change a number in a TIFF file."""

    def change(content: bytearray) -> bytes:
        at = content.index(struct.pack("<HHI", tag, 3, 1))
        content[at + 8 : at + 10] = struct.pack("<H", value)
        return bytes(content)

    return change


def with_chunk(kind: bytes, data: bytes) -> Callable[[bytearray], bytes]:
    """Insert a chunk before the pixels of a PNG file."""

    def change(content: bytearray) -> bytes:
        at = content.index(b"IDAT") - 4
        chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        return bytes(content[:at] + chunk + content[at:])

    return change


def with_bytes(at: int, value: bytes) -> Callable[[bytearray], bytes]:
    return lambda content: bytes(content[:at] + value + content[at + len(value) :])


def jpeg_of_size(height: int, width: int) -> Callable[[bytearray], bytes]:
    """Claim another size in a JPEG file."""

    def change(content: bytearray) -> bytes:
        at = content.index(b"\xff\xc0") + 5
        return with_bytes(at, struct.pack(">HH", height, width))(content)

    return change


XMP = b'<rdf:Description tiff:Orientation="6"/>'
REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "jpeg-cmyk": (by_pillow(Image.fromarray(RGB).convert("CMYK"), "jpg"), "4 colours of 8 bits, such as CMYK"),
    "jpeg-xmp": (by_pillow(RGB, "jpg", xmp=XMP), "its XMP data turn it"),
    "jpeg-that-lies": (
        changed(by_pillow(RGB, "jpg"), jpeg_of_size(32_000, 32_000)),
        r"\d+ bytes cannot hold its 32000×32000 pixels",
    ),
    "png-xmp": (changed(by_pillow(RGB, "png"), with_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)), "XMP data"),
    "png-xmp-packed": (
        changed(by_pillow(RGB, "png"), with_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP))),
        "XMP data",
    ),
    "png-exif-of-old": (
        changed(by_pillow(RGB, "png"), with_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"exif"))),
        "EXIF data are stored in an old way",
    ),
    "png-exif-prefix": (
        changed(by_pillow(RGB, "png"), with_chunk(b"eXIf", b"Exif\0\0" + exif(6).tobytes())),
        "EXIF data are stored in an old way",
    ),
    "png-that-lies": (changed(by_pillow(RGB, "png"), with_bytes(16, b"\0\0\x7d\0")), "a check sum is wrong"),
    "tiff-alpha": (by_pillow(ALPHA, "tif"), "only grey and RGB ones of 8 or 16 bits"),
    "tiff-cmyk": (by_pillow(Image.fromarray(RGB).convert("CMYK"), "tif"), "only grey and RGB ones"),
    "tiff-lab": (by_pillow(Image.fromarray(RGB).convert("LAB"), "tif"), "only grey and RGB ones"),
    "tiff-ycbcr": (by_pillow(Image.fromarray(RGB).convert("YCbCr"), "tif"), "only grey and RGB ones"),
    "tiff-float": (by_pillow(GREY.astype(np.float32), "tif"), "only grey and RGB ones"),
    "tiff-32-bit": (by_pillow(GREY.astype(np.int32), "tif"), "only grey and RGB ones"),
    "tiff-12-bit": (changed(by_pillow(DEEP[..., 0], "tif"), with_tag(BITS, 12)), "only grey and RGB ones"),
    "tiff-planes": (changed(by_opencv(DEEP, "tif"), with_tag(PLANES, 2)), "only grey and RGB ones"),
    "bmp-of-5-bits": (changed(by_pillow(RGB, "bmp"), with_bytes(28, b"\x10\0")), "colours of 5 or 6 bits"),
    "gif": (by_pillow(RGB, "gif"), "it is no JPEG, PNG, TIFF, BMP or WebP file"),
    "empty": (changed(by_pillow(RGB, "png"), lambda _: b""), "it is no JPEG, PNG"),
    "text": (changed(by_pillow(RGB, "png"), lambda _: b"no image"), "it is no JPEG, PNG"),
}
"""Ways to write a file that OpenCV reads otherwise than Pillow, or not at all, and why it is refused."""


@pytest.mark.parametrize("kind", REFUSED)
def test_a_file_that_would_be_read_otherwise_is_refused(kind: str, tmp_path: Path) -> None:
    write, message = REFUSED[kind]
    path = write(tmp_path)
    with pytest.raises(ValueError, match=rf"{path.name} cannot be read as an image \(.*{message}.*\); [^;]+$"):
        read_image(path)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a.png cannot be read \(No such file or directory\); name an image file"):
        read_image(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"cannot be read \(Is a directory\)"):
        read_image(tmp_path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "bmp", "webp"])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9, 0.99])
def test_a_file_that_is_cut_off_is_refused(suffix: str, share: float, tmp_path: Path) -> None:
    write = by_pillow(RGB, suffix, exif=exif(6))
    path = changed(write, lambda content: bytes(content[: int(len(content) * share)]))(tmp_path)
    with pytest.raises(ValueError, match=r"cannot be read as an image"):
        read_image(path)


@pytest.mark.parametrize("kind", ["jpeg-420", "jpeg-progressive-0", "png", "png-palette-16", "bmp", "webp-lossless"])
def test_a_damaged_file_is_refused_or_read_as_fae_reads_it(kind: str, tmp_path: Path) -> None:
    """JPEG decoders show what they can make of damaged data; both must show the same."""
    path = SAME[kind](tmp_path)
    content, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(20):
        damaged = bytearray(content)
        damaged[rng.integers(200, len(content))] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            found = read_image(path)
        except ValueError:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert np.array_equal(found, ReadImage()(path).rgb)


def test_an_image_with_more_pixels_than_opencv_reads_is_refused(tmp_path: Path) -> None:
    by_pillow(RGB, "png")(tmp_path)
    code = "from fae_runtime.read import read_image; read_image('a.png')"
    environment = {"OPENCV_IO_MAX_IMAGE_PIXELS": "5000", "PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert "more pixels than OpenCV reads); set OPENCV_IO_MAX_IMAGE_PIXELS before Python starts" in result.stderr
