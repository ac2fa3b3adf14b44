import struct
from pathlib import Path
from typing import IO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest

from fae.serve.archive import MOST_MEMBERS, ArchiveError, is_archive, members


def write(path: Path, contents: dict[str, bytes]) -> Path:
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def test_files_of_all_folders_are_read_and_none_is_written(tmp_path: Path) -> None:
    inside = {
        "a/": b"",
        "a/b/1.png": b"one",
        "../../2.png": b"two",
        "/3.png": b"three",
        ".DS_Store": b"",
        "4.txt": b"4",
    }
    path = write(tmp_path / "x.zip", inside | {"__MACOSX/a/._1.png": b"", "a/.git/5.png": b""})
    found = dict(members(path, "x.zip", 1))
    assert found == {"a/b/1.png": b"one", "../../2.png": b"two", "/3.png": b"three", "4.txt": b"4"}
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_an_archive(tmp_path: Path) -> None:
    for name, content, expected in (
        ("a", write(tmp_path / "x", {"1": b""}).read_bytes(), True),
        ("b", write(tmp_path / "x", {}).read_bytes(), True),
        ("b.ZIP", b"no zip", True),
        ("c.png", b"\x89PNG", False),
        ("d", b"", False),
    ):
        path = tmp_path / "file"
        path.write_bytes(content)
        assert is_archive(path, name) is expected


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ({"big.png": bytes(2_000_001)}, r"big.png in x.zip unpacks to more than 2 MB; .* larger max_upload_mb"),
        (
            {f"{i}.png": bytes(1_900_000) for i in range(11)},
            r"x.zip unpacks to more than 20 MB \(20.9 MB\); send it in",
        ),
        ({str(i): b"" for i in range(MOST_MEMBERS + 1)}, r"x.zip holds 1001 files, but 1000 are the most"),
    ],
)
def test_bombs_are_refused(contents: dict[str, bytes], message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "file", contents)
    assert path.stat().st_size < 300_000
    with pytest.raises(ArchiveError, match=message) as refused:
        list(members(path, "x.zip", 2))
    assert str(tmp_path) not in str(refused.value)


def test_sizes_that_a_zip_states_are_not_believed(tmp_path: Path) -> None:
    path = write(tmp_path / "file", {"big.png": bytes(5_000_000)})
    content = bytearray(path.read_bytes())
    central = content.index(b"PK\x01\x02")
    struct.pack_into("<L", content, central + 24, 10)
    path.write_bytes(content)
    with ZipFile(path) as archive:
        assert archive.infolist()[0].file_size == 10
    with pytest.raises(ArchiveError, match="x.zip is no zip that can be unpacked; make it anew"):
        list(members(path, "x.zip", 2))


def test_what_is_read_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Lying(ZipFile):
        def infolist(self) -> list[ZipInfo]:
            return [ZipInfo(name) for name in self.namelist()]  # of no size

        def open(self, one: ZipInfo) -> IO[bytes]:
            return super().open(one.filename)

    monkeypatch.setattr("fae.serve.archive.ZipFile", Lying)
    read = members(write(tmp_path / "file", {f"{i}.png": bytes(1_900_000) for i in range(20)}), "x.zip", 2)
    assert [next(read)[0] for _ in range(10)] == [f"{i}.png" for i in range(10)]
    with pytest.raises(ArchiveError, match=r"x.zip unpacks to more than 20 MB"):
        next(read)


def test_encrypted_and_broken_zips_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "file", {"1.png": b"one" * 100})
    whole = path.read_bytes()
    locked = bytearray(whole)
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    torn = bytearray(whole)
    torn[40] ^= 0xFF
    strange = bytearray(whole)
    strange[strange.index(b"PK\x01\x02") + 10] = 99  # a method of compression that nobody knows
    for content, message in (
        (locked, "x.zip is encrypted; make a zip without a password"),
        *((bad, "x.zip is no zip that can be unpacked; make it anew") for bad in (torn, strange, whole[:60], b"PK")),
    ):
        path.write_bytes(content)
        with pytest.raises(ArchiveError, match=message):
            list(members(path, "x.zip", 2))
