from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fae.image import all_images_in, walked_images
from fae.prediction import part, table
from fae.prediction.files import file_now, indexed
from fae.prediction.part import Parts, parts_of, read_part
from fae.prediction.row import Row
from fae.prediction.shard import Shard
from fae.prediction.table import Count, write_table


def scored(name: str, score: float = 1.0) -> Row:
    return Row(name.encode(), score, anomalous=score > 1, file="1-2-3-4")


def test_parts_are_numbered_whole_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part, "MOST_ROWS", 3)
    every = [scored(f"/{i}", i) for i in range(7)]
    with Parts(tmp_path) as parts:
        for row in every[:4]:
            parts.add([row])
    with Parts(tmp_path) as parts:
        parts.add(every[4:])
    assert [path.name for path in parts_of(tmp_path)] == [f"part-0000{i}.parquet" for i in range(3)]
    assert [[*read_part(path)] for path in parts_of(tmp_path)] == [every[:3], every[3:4], every[4:]]
    assert {path.name for path in tmp_path.iterdir()} == {f"part-0000{i}.parquet" for i in range(3)}, "no drafts"
    assert [row.score for row in read_part(parts_of(tmp_path)[0], ("path", "file"))] == [None] * 3


def test_a_part_is_written_when_its_first_row_is_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(part.time, "monotonic", lambda: now)
    with Parts(tmp_path) as parts:
        for now in (0.0, 30.0, 59.0):  # noqa: B007 (the clock reads it)
            parts.add([scored("/a")])
        assert not parts_of(tmp_path)
        now = 60.0
        parts.add([scored("/b")])
        assert len(parts_of(tmp_path)) == 1
        now = 90.0
        parts.add([scored("/c")])
        assert len(parts_of(tmp_path)) == 1, "a new part has its own time"


def test_what_was_collected_is_written_even_after_an_error(tmp_path: Path) -> None:
    def interrupted() -> None:
        with Parts(tmp_path) as parts:
            parts.add([scored("/a")])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [row for path in parts_of(tmp_path) for row in read_part(path)] == [scored("/a")]


def test_the_hundred_thousandth_part_is_the_last(tmp_path: Path) -> None:
    for number in ("99999", "00002"):
        (tmp_path / f"part-{number}.parquet").touch()
    with Parts(tmp_path) as parts:
        parts.add([scored("/a")])
    assert [path.name for path in parts_of(tmp_path)][1:] == ["part-99999.parquet", "part-100000.parquet"]


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    (tmp_path / "part-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"part-00000.parquet cannot be read as a part .*; delete it, then repeat"):
        list(read_part(tmp_path / "part-00000.parquet"))


def test_every_file_belongs_to_one_shard_whatever_the_process() -> None:
    paths = [f"/data/{i}.png".encode() for i in range(1000)]
    shards = [[path for path in paths if Shard(8, index).holds(path)] for index in range(8)]
    assert sorted(path for shard in shards for path in shard) == sorted(paths)
    assert all(90 < len(shard) < 160 for shard in shards)
    # BLAKE2b with 8 bytes, big endian; another rule would tear old folders apart.
    assert [Shard(64, index).holds(b"/data/0.png") for index in range(64)].index(True) == 45
    assert Shard(64, 3).name == "shard-003-of-064"


def test_the_table_holds_each_file_once_in_the_order_of_the_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "_TOGETHER", 2)
    monkeypatch.setattr(part, "MOST_ROWS", 3)
    for index, rows in enumerate(
        (
            [scored("/c"), Row(b"/a", error="broken"), scored("/e"), Row(b"/g", error="gone"), scored("/a", 2)],
            [scored("/f"), scored("/b"), scored("/f", 3), Row(b"/h", error="broken")],
        )
    ):
        folder = tmp_path / Shard(3, index).name
        folder.mkdir()
        with Parts(folder) as parts:
            for row in rows:
                parts.add([row])
    with Parts(tmp_path / Shard(3, 0).name) as parts:
        parts.add([Row(b"/g"), scored("/d")])
    assert write_table(tmp_path, 3, ("csv",)) == [Count(4, 0), Count(3, 1), Count()]
    assert (tmp_path / "predictions.csv").read_text().splitlines() == [
        "path,score,anomaly_percent,anomalous,area,regions,left,top,width,height,error,file",
        "/a,2.0,,True,,,,,,,,1-2-3-4",
        "/b,1.0,,False,,,,,,,,1-2-3-4",
        "/c,1.0,,False,,,,,,,,1-2-3-4",
        "/d,1.0,,False,,,,,,,,1-2-3-4",
        "/e,1.0,,False,,,,,,,,1-2-3-4",
        "/f,3.0,,True,,,,,,,,1-2-3-4",
        "/h,,,,,,,,,,broken,",
    ]
    assert not list(tmp_path.glob("**/*.sqlite"))


def test_the_index_knows_what_is_to_be_done(tmp_path: Path) -> None:
    for name in ("new", "same", "changed", "failed", "stale"):
        (tmp_path / name).write_text(name)
    path = {name: str(tmp_path / name).encode() for name in ("new", "same", "changed", "failed", "stale", "gone")}
    with Parts(tmp_path) as parts:
        parts.add([Row(path["same"], 1.0, file=file_now(path["same"])), Row(path["changed"], 1.0, file="other")])
        parts.add([Row(path["failed"], error="broken", file=file_now(path["failed"]))])
        parts.add([Row(path["gone"], 1.0, file="old"), Row(path["stale"], 1.0, file="old")])
    listed = [path[name] for name in ("same", "new", "failed", "new", "changed")]
    with indexed(tmp_path, listed) as files:
        assert len(files) == 4
        assert list(files.to_score()) == [path["changed"], path["failed"], path["new"]]
        assert list(files.outdated()) == [path["stale"]]
    with indexed(tmp_path, [path["same"]]) as files:
        assert list(files.to_score()) == []
        assert list(files.outdated()) == [path["changed"], path["failed"], path["stale"]]
    assert not (tmp_path / ".files.sqlite").exists()


def test_walking_finds_what_listing_finds(tmp_path: Path) -> None:
    image = Image.fromarray(np.zeros((2, 2), np.uint8))
    for name in ("a.png", "b/c.JPG", "b/d/e.png", ".hidden/f.png", "b/.g.png", "__MACOSX/h.png", "out/maps/i.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "lost.png").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to(tmp_path)
    out = tmp_path / "out"
    found = sorted(map(Path, walked_images(tmp_path, out)))
    assert found == sorted(path for path in all_images_in(tmp_path) if not path.is_relative_to(out))
    assert len(found) == 4
