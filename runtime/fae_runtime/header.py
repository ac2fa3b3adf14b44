"""What the headers of image files tell before OpenCV decodes them: whether it gives the pixels that Pillow gives.

fae reads files by Pillow. OpenCV gives the same pixels for all but a few kinds, which are recognised here.
"""

import re
import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple

RGB = "save it as a PNG file in RGB or grey"
WHOLE = "fetch or save it again"

_START_OF_FRAME = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_START_OF_SCAN, _END = 0xDA, b"\xff\xd9"
_PIXELS_IN_A_BYTE = 512  # of a JPEG file at most: 64 pixels take at least one bit
_TURNED_BY_XMP = re.compile(rb'tiff:Orientation(="|>)[2-8]|XML:com\.adobe\.xmp\x00\x01')
_OLD_EXIF = (b"eXIfExif", *(kind + b"Raw profile type exif" for kind in (b"tEXt", b"zTXt", b"iTXt")))
_FORMATS = {1: "B", 3: "H", 4: "I"}
"""Of the whole numbers in TIFF files, by their type."""


class Header(NamedTuple):
    """What a file's header tells."""

    kind: str
    """The format, such as JPEG."""
    pages: bool
    """Whether the file holds several pages or frames."""


class UnlikeError(Exception):
    """OpenCV cannot read a file, or gives other pixels than Pillow; the message says why, and names the remedy."""

    def __init__(self, why: str, remedy: str = RGB) -> None:
        super().__init__(why, remedy)
        self.why, self.remedy = why, remedy


def header(content: bytes) -> Header:
    """Recognise a file by its first bytes.

    Args:
        content: the whole file.

    Raises:
        UnlikeError: the format is unknown, the file is cut off, or OpenCV would give other pixels than Pillow.
    """
    for kind, start, check in _KINDS:
        if re.match(start, content, re.DOTALL):
            try:
                several = check(content)
            except (struct.error, KeyError, IndexError) as error:
                raise UnlikeError(f"its {kind} header is damaged", WHOLE) from error
            if _TURNED_BY_XMP.search(content):
                raise UnlikeError("its XMP data turn it, and only EXIF data are heeded", "save it upright")
            return Header(kind, several)
    raise UnlikeError("it is no JPEG, PNG, TIFF, BMP or WebP file")


def _jpeg(content: bytes) -> bool:
    at = 2
    while True:
        marker, length = content[at + 1], struct.unpack_from(">H", content, at + 2)[0]
        if marker in _START_OF_FRAME:
            bits, height, width, colours = struct.unpack_from(">BHHB", content, at + 4)
            if bits != 8 or colours not in (1, 3):
                raise UnlikeError(f"it holds {colours} colours of {bits} bits, such as CMYK")
            if height * width > _PIXELS_IN_A_BYTE * len(content):
                raise UnlikeError(f"{len(content)} bytes cannot hold its {height}×{width} pixels", WHOLE)
        elif marker == _START_OF_SCAN:
            if content.find(_END, at) < 0:
                raise UnlikeError("it is cut off", WHOLE)
            return False  # the further pictures of an MPO file are previews
        at += 2 + length
        while content[at + 1] == 0xFF:  # bytes that fill
            at += 1


def _png(content: bytes) -> bool:
    at, kind, several = 8, b"", False
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", content, at)
        chunk = content[at + 4 : at + 8 + length]
        if struct.unpack_from(">I", content, at + 8 + length)[0] != zlib.crc32(chunk):
            raise UnlikeError("a check sum is wrong", WHOLE)
        if chunk.startswith(_OLD_EXIF):
            raise UnlikeError("its EXIF data are stored in an old way, which is not heeded", "save it again")
        if kind == b"acTL":
            several = struct.unpack_from(">I", chunk, 4)[0] > 1
        at += 12 + length
    return several


def _bmp(content: bytes) -> bool:
    if struct.unpack_from("<I", content, 14)[0] > 12 and struct.unpack_from("<H", content, 28)[0] == 16:
        raise UnlikeError("it holds colours of 5 or 6 bits")
    return False


def _webp(content: bytes) -> bool:
    return content[12:16] == b"VP8X" and bool(content[20] & 2)


def _tiff(content: bytes) -> bool:
    order = "<" if content.startswith(b"II") else ">"
    (start,) = struct.unpack_from(f"{order}I", content, 4)
    (entries,) = struct.unpack_from(f"{order}H", content, start)
    tags: dict[int, tuple[int, ...]] = {}
    for at in range(start + 2, start + 2 + 12 * entries, 12):
        tag, kind, count = struct.unpack_from(f"{order}HHI", content, at)
        if tag in (258, 262, 284) and count <= 4:
            form = f"{order}{count}{_FORMATS[kind]}"
            place = at + 8 if struct.calcsize(form) <= 4 else struct.unpack_from(f"{order}I", content, at + 8)[0]
            tags[tag] = struct.unpack_from(form, content, place)
    bits, colours, planes = tags.get(258, (1,)), tags[262][0], tags.get(284, (1,))[0]
    if bits not in ((1,), (8,), (16,), (8, 8, 8), (16, 16, 16)) or colours > 3 or (planes == 2 and bits[0] == 16):
        raise UnlikeError("of TIFF files, only grey and RGB ones of 8 or 16 bits without alpha are read")
    return struct.unpack_from(f"{order}I", content, start + 2 + 12 * entries) != (0,)


_KINDS: tuple[tuple[str, bytes, Callable[[bytes], bool]], ...] = (
    ("JPEG", rb"\xff\xd8\xff", _jpeg),
    ("PNG", rb"\x89PNG\r\n\x1a\n", _png),
    ("TIFF", rb"II\*\0|MM\0\*", _tiff),
    ("BMP", rb"BM", _bmp),
    ("WebP", rb"RIFF....WEBP", _webp),
)
"""Name, first bytes, and a function that tells whether a file holds several pages."""
