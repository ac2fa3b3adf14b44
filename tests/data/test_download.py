import hashlib
import io
import re
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from PIL import Image

from fae.cli.schema import conf_dir, register
from fae.data.download import download
from tests.conftest import compose_command
from tests.processes import Forked

NAME = "mvtec_anomaly_detection.tar.xz"


class Served(NamedTuple):
    """A server that keeps what it was asked for and how it answers."""

    url: str
    content: dict[str, bytes]
    asked: list[str | None]
    stops_after: list[int]
    """Bytes after which the connections break, one after the other."""
    ranges: list[bool]
    pages: set[str]
    """Paths that answer with a web page."""


@pytest.fixture
def server() -> Iterator[Served]:
    served = Served("", {}, [], [], [True], set())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            whole = served.content.get(self.path)
            served.asked.append(self.headers.get("Range"))
            if whole is None:
                self.send_error(404)
                return
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
            start = int(asked[1]) if asked and served.ranges[0] else 0
            if start >= len(whole) > 0 and asked:
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if self.path in served.pages:
                self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(whole) - start))
            self.end_headers()
            limit = served.stops_after.pop(0) if served.stops_after else len(whole)
            self.wfile.write(whole[start : start + limit])

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield served._replace(url=f"http://127.0.0.1:{http.server_port}/{NAME}")
    http.shutdown()
    thread.join()
    http.server_close()


def packed(*names: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:xz") as tar:
        for i, name in enumerate(names):
            picture = io.BytesIO()
            noise = np.random.default_rng(i).integers(0, 256, (200, 200), np.uint8)  # xz cannot make it smaller
            Image.fromarray(noise).save(picture, "PNG")
            info = tarfile.TarInfo(name)
            info.size = len(picture.getvalue())
            tar.addfile(info, io.BytesIO(picture.getvalue()))
    return file.getvalue()


WHOLE = packed("wood/train/good/000.png", "wood/test/good/000.png", "screw/train/good/000.png", "license.txt")


def compose_download(root: Path, served: Served, content: bytes = WHOLE, folders: Sequence[str] = ("",)) -> DictConfig:
    """One address for each folder of the server."""
    register()
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        digest = hashlib.sha256(content).hexdigest()
        urls = ",".join(served.url.replace(f"/{NAME}", folder) + f"/{NAME}" for folder in folders)
        return compose("download", [f"root={root}", f"urls=[{urls}]", f"sha256={digest}", "timeout_s=5"])


def files_in(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and p.name != ".lock")


UNPACKED = ["license.txt", NAME, "screw/train/good/000.png", "wood/test/good/000.png", "wood/train/good/000.png"]


def test_download_and_again(server: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.content[f"/{NAME}"] = WHOLE
    cfg = compose_download(tmp_path / "mvtec", server)
    assert [folder.name for folder in download(cfg)] == ["screw", "wood"]
    assert files_in(tmp_path / "mvtec") == UNPACKED
    said = capsys.readouterr().out
    assert said.startswith("LICENCE: MVTec AD")
    assert "NonCommercial" in said
    assert download(cfg) == []
    assert len(server.asked) == 1, "what is there is not fetched again"


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
def test_a_broken_connection_goes_on(server: Served, tmp_path: Path, ranges: bool) -> None:
    server.content[f"/{NAME}"] = WHOLE
    server.stops_after.append(100_000)
    server.ranges[0] = ranges
    cfg = compose_download(tmp_path / "mvtec", server)
    with pytest.raises(OSError, match="Repeat the command to go on, or fetch the archive by hand from https://www"):
        download(cfg)
    assert files_in(tmp_path / "mvtec") == [f".{NAME}.part"]
    download(cfg)
    assert server.asked == [None, "bytes=65536-"]
    assert files_in(tmp_path / "mvtec") == UNPACKED


def test_the_next_address_is_tried(server: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.content[f"/good/{NAME}"] = WHOLE
    download(compose_download(tmp_path / "mvtec", server, folders=("/dead", "/good")))
    assert files_in(tmp_path / "mvtec") == UNPACKED
    assert f"NOTE: {server.url.replace(NAME, 'dead')}/{NAME} could not be fetched (404" in capsys.readouterr().out
    assert server.asked == [None, None]


def test_the_next_address_goes_on_where_the_connection_broke(server: Served, tmp_path: Path) -> None:
    server.content.update({f"/{folder}/{NAME}": WHOLE for folder in ("broken", "good")})
    server.stops_after.append(100_000)
    download(compose_download(tmp_path / "mvtec", server, folders=("/broken", "/good")))
    assert server.asked == [None, "bytes=65536-"]
    assert files_in(tmp_path / "mvtec") == UNPACKED


def test_a_web_page_in_place_of_the_archive_keeps_what_was_fetched(server: Served, tmp_path: Path) -> None:
    """A share that has ended may answer so, with 200."""
    server.content.update({f"/ended/{NAME}": b"<html>", f"/good/{NAME}": WHOLE})
    server.pages.add(f"/ended/{NAME}")
    root = tmp_path / "mvtec"
    root.mkdir()
    (root / f".{NAME}.part").write_bytes(WHOLE[:3])
    download(compose_download(root, server, folders=("/ended", "/good")))
    assert server.asked == ["bytes=3-", "bytes=3-"]
    assert files_in(root) == UNPACKED


def test_every_address_that_failed_is_named(server: Served, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=rf"/one/{NAME} could not .*/two/{NAME} could not .* by hand from https://www"):
        download(compose_download(tmp_path / "mvtec", server, folders=("/one", "/two")))
    with pytest.raises(ValueError, match=r"urls \(=\[\]\) must hold at least one address"):
        download(compose_download(tmp_path / "mvtec", server, folders=()))


def test_a_file_that_cannot_be_written_is_no_fault_of_the_address(server: Served, tmp_path: Path) -> None:
    server.content.update({f"/{folder}/{NAME}": WHOLE for folder in ("one", "two")})
    (tmp_path / "mvtec" / f".{NAME}.part").mkdir(parents=True)
    with pytest.raises(OSError, match=rf"{NAME} could not be written \(.*Is a directory"):
        download(compose_download(tmp_path / "mvtec", server, folders=("/one", "/two")))
    assert server.asked == [None]


def test_a_part_that_is_whole_already(server: Served, tmp_path: Path) -> None:
    server.content[f"/{NAME}"] = WHOLE
    root = tmp_path / "mvtec"
    root.mkdir()
    (root / f".{NAME}.part").write_bytes(WHOLE)
    download(compose_download(root, server))
    assert files_in(root) == UNPACKED


def test_another_archive_is_not_unpacked(server: Served, tmp_path: Path) -> None:
    server.content[f"/{NAME}"] = packed("wood/train/good/000.png")
    with pytest.raises(ValueError, match="has the SHA-256 .* was not unpacked. Remove the file"):
        download(compose_download(tmp_path / "mvtec", server))
    assert files_in(tmp_path / "mvtec") == [NAME]


def test_the_checksum_is_verified_before_every_extraction(server: Served, tmp_path: Path) -> None:
    root = tmp_path / "mvtec"
    server.content[f"/{NAME}"] = WHOLE
    download(compose_download(root, server))
    (root / NAME).write_bytes(packed("leather/train/good/000.png"))
    with pytest.raises(ValueError, match="was not unpacked"):
        download(compose_download(root, server))
    assert not (root / "leather").exists()


def test_an_archive_brought_by_hand(server: Served, tmp_path: Path) -> None:
    root = tmp_path / "mvtec"
    root.mkdir()
    (root / NAME).write_bytes(WHOLE)
    download(compose_download(root, server))
    assert server.asked == []
    assert files_in(root) == UNPACKED


def test_what_is_there_stays(server: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mvtec" / "wood" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    server.content[f"/{NAME}"] = WHOLE
    assert [folder.name for folder in download(compose_download(tmp_path / "mvtec", server))] == ["screw"]
    assert "wood is there already and stays as it is" in capsys.readouterr().out
    assert [path.name for path in mine.parent.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (packed("../evil/train/good/000.png"), "cannot be unpacked"),
        (packed("elsewhere.png"), "not in the layout"),
        (packed("train/good/000.png"), "not in the layout"),
        (b"no archive", "cannot be unpacked"),
    ],
    ids=["outside", "layout", "no category", "no archive"],
)
def test_bad_archives_leave_nothing(server: Served, tmp_path: Path, content: bytes, message: str) -> None:
    server.content[f"/{NAME}"] = content
    with pytest.raises(ValueError, match=message):
        download(compose_download(tmp_path / "mvtec", server, content))
    assert files_in(tmp_path) == [f"mvtec/{NAME}"]


def test_the_command_says_what_to_do_where_the_address_fails(server: Served, tmp_path: Path, forked: Forked) -> None:
    result = forked.command("fae.data.download", f"root={tmp_path / 'mvtec'}", f"urls=[{server.url}]")
    assert result.returncode == 1
    assert "404" in result.stderr
    assert (
        f"by hand from https://www.mvtec.com/company/research/datasets/mvtec-ad, save it as {tmp_path}" in result.stderr
    )
    nowhere = forked.command("fae.data.download")
    assert "root (=None) must name the folder" in nowhere.stderr


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, name)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "archive", "content", "unpacked"),
    [
        (
            *("visa", "VisA_20220922.tar"),
            packed("candle/Data/Images/0.png", "pcb1/Data/Images/0.png", "split_csv/1cls.csv", "LICENSE-DATASET"),
            ["LICENSE-DATASET", "candle/Data/Images/0.png", "pcb1/Data/Images/0.png", "split_csv/1cls.csv"],
        ),
        (
            *("btad", "btad.zip"),
            zipped("BTech_Dataset_transformed/01/train/ok/0.bmp", "BTech_Dataset_transformed/02/train/ok/0.bmp"),
            ["01/train/ok/0.bmp", "02/train/ok/0.bmp"],
        ),
        ("mvtec_ad2", "mvtec_ad_2.tar.gz", packed("mvtec_ad_2/can/train/0.png"), ["can/train/0.png"]),
    ],
    ids=["visa", "btad", "mvtec_ad2"],
)
def test_other_data_sets(data: str, archive: str, content: bytes, unpacked: list[str], tmp_path: Path) -> None:
    """The archives lie there already, as if they were fetched by hand."""
    cfg = compose_command(
        "download", f"data={data}", f"root={tmp_path}", f"sha256={hashlib.sha256(content).hexdigest()}"
    )
    (tmp_path / archive).write_bytes(content)
    download(cfg)
    assert files_in(tmp_path) == sorted([archive, *unpacked])


@pytest.mark.parametrize("top", ["", "KolektorSDD/"])
def test_two_archives_of_one_reader(top: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One has an MD5 here, the other a SHA-256; each gets a folder of its own."""
    first, second = zipped(f"{top}kos01/Part0.jpg", f"{top}kos02/Part0.jpg"), zipped("train/0.png", "test/0.png")
    cfg = compose_command("download", "data=kolektor", f"root={tmp_path}")
    cfg.archives["kolektor-sdd"].checksum = hashlib.md5(first).hexdigest()
    cfg.archives["kolektor-sdd2"].checksum = hashlib.sha256(second).hexdigest()
    (tmp_path / "kolektorsdd").write_bytes(first)
    (tmp_path / "kolektorsdd2").write_bytes(second)
    assert [folder.name for folder in download(cfg)] == ["sdd", "sdd2"]
    found = ["sdd/kos01/Part0.jpg", "sdd/kos02/Part0.jpg", "sdd2/test/0.png", "sdd2/train/0.png"]
    assert files_in(tmp_path) == ["kolektorsdd", "kolektorsdd2", *found]
    assert capsys.readouterr().out.count("LICENCE: KolektorSDD") == 2
    (tmp_path / "kolektorsdd").write_bytes(b"other")
    (tmp_path / "sdd").rename(tmp_path / "gone")
    with pytest.raises(ValueError, match="has the MD5 .* was not unpacked"):
        download(cfg)


@pytest.mark.parametrize("data", ["mpdd", "dagm", "realiad"])
def test_a_data_set_without_a_checksum_is_fetched_by_hand(data: str) -> None:
    with pytest.raises(ValueError, match=f"data={data} has no published checksum: fetch it by hand from https.* DIR/"):
        download(compose_command("download", f"data={data}", "root=there"))


def test_every_archive_is_verified() -> None:
    for archive in compose_command("download").archives.values():
        assert archive.licence
        assert archive.page.startswith("https://")
        assert bool(archive.urls) == (archive.checksum is not None) == (not archive.layout)
        assert re.fullmatch("([0-9a-f]{32}){1,2}", archive.checksum or "0" * 32)


def test_the_environment_variable_names_mvtec_ad_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MVTEC_AD_ROOT", str(tmp_path))
    with pytest.raises(ValueError, match=r"root \(=None\) must name the folder for the categories; name one$"):
        download(compose_command("download", "data=visa"))
    with pytest.raises(ValueError, match="data=folder is no public data set"):
        download(compose_command("download", "data=folder"))
