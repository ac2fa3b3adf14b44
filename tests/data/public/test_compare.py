from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from fae.data.check import INCOMPLETE, check
from fae.data.compare import Compared
from fae.data.public.counts import counts
from tests.conftest import compose_command
from tests.data.public.layouts import WRITERS
from tests.processes import Forked

TOTALS = {
    "visa": (8659, 962, 1200),
    "btad": (1799, 451, 290),
    "mpdd": (888, 176, 282),
    "loco": (1778 + 305, 575, 561 + 432),
    "mvtec_ad2": (2528 + 302, 379, 705),
    "mvtec_3d": (2656 + 294, 249, 948),
    "dagm": (16100 // 2 - 1046, 16100 // 2 - 1054, 1054),
}
"""Normal training images, normal and defective test images of each whole data set."""


@pytest.fixture
def compared(tmp_path: Path) -> Callable[[str], Compared]:
    def run(name: str) -> Compared:
        write, category = WRITERS[name]
        if not (tmp_path / "set").is_dir():
            write(tmp_path / "set")
        words = (f"data={name.partition(':')[0]}", f"root={tmp_path / 'set'}", f"categories=['{category}']")
        (found,) = check(compose_command("check", *words))
        assert isinstance(found, Compared)
        return found

    return run


@pytest.mark.parametrize("dataset", TOTALS)
def test_the_counts_of_the_categories_add_up(dataset: str) -> None:
    found = counts(dataset).values()
    parts = ("train/good", "test/good", "defective")
    assert tuple(sum(one[part][0] for one in found) for part in parts) == TOTALS[dataset]
    for one in found:
        types = [count for part, (count, *_) in one.items() if part.startswith("test/") and part != "test/good"]
        assert one["masks"] == one["defective"]
        assert not types or sum(types) == one["defective"][0]


def test_a_category_may_have_several_right_counts_or_none() -> None:
    assert counts("loco")["splicing_connectors"]["train/good"] == (360 + 60, 354 + 59)
    assert counts("kolektor")["sdd"] == {"normal": (347,), "defective": (52,), "masks": (52,)}
    assert len(counts("realiad")) == 30
    assert not any(counts("realiad").values())
    assert counts("folder") == {}


@pytest.mark.parametrize("name", WRITERS)
def test_every_data_set_is_counted_and_read(
    name: str, compared: Callable[[str], Compared], capsys: pytest.CaptureFixture[str]
) -> None:
    found = compared(name)
    assert found.bad is None
    assert found.found["train/good"] >= 3
    assert found.state == ("no official count" if name == "realiad" else "other counts")
    assert found.whole == (name == "realiad")
    said = capsys.readouterr().out
    for part in found.differing:
        assert f"{found.name}/{part}: {found.found.get(part, 0)} images, expected {found.official[part][0]}" in said
    assert all(f"NOTE: {note}" in said for note in found.notes)


def test_published_counts_make_a_category_whole() -> None:
    found = {"train/good": 413, "test/good": 2, "test/hole": 1}
    official = {"train/good": (420, 413), "test/good": (2,), "test/hole": (1,)}
    assert Compared("a", found, official).state == "whole"
    assert Compared("a", found, official | {"test/hole": (2,)}).state == "other counts"
    assert Compared("a", found, official | {"masks": (1,)}).differing == ["masks"]
    assert not Compared("a", found, official, bad="a file").whole


def test_the_first_bad_file_is_named(compared: Callable[[str], Compared], tmp_path: Path) -> None:
    compared("loco")
    base = tmp_path / "set/pushpins"
    Image.new("L", (8, 16), 255).save(base / "ground_truth/structural_anomalies/000/000.png")
    assert "structural_anomalies/000/000.png has 16×8 pixels" in str(compared("loco").bad)
    (base / "ground_truth/logical_anomalies/000/001.png").write_bytes(b"")
    assert "logical_anomalies/000/001.png" in str(compared("loco").bad)
    (base / "validation/good/000.png").write_bytes(b"")
    assert "validation/good/000.png" in str(compared("loco").bad)
    assert compared("loco").state == "bad file"
    (base / "ground_truth/logical_anomalies/000/001.png").unlink()
    (base / "ground_truth/logical_anomalies/000/000.png").unlink()
    assert compared("loco").state == "not read"
    assert "no mask for" in str(compared("loco").bad)


def test_the_command(tmp_path: Path, forked: Forked) -> None:
    WRITERS["btad"][0](tmp_path / "set")
    words = ("data=btad", f"root={tmp_path / 'set'}")
    result = forked.command("fae.data.check", *words, "categories=01")
    assert result.returncode == INCOMPLETE, result.stderr
    assert "01/train/good: 3 images, expected 400" in result.stdout
    assert "02: category '02' is no folder" in forked.command("fae.data.check", *words).stdout
    WRITERS["realiad"][0](tmp_path / "other")
    result = forked.command("fae.data.check", "data=realiad", f"root={tmp_path / 'other'}", "categories=audiojack")
    assert result.returncode == 0, result.stderr


def test_the_environment_variable_names_mvtec_ad_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MVTEC_AD_ROOT", str(tmp_path))
    assert len(check(compose_command("check"))) == 15
    with pytest.raises(FileNotFoundError, match=r"root \(=None\) is no folder; .* data.root names for data=visa"):
        check(compose_command("check", "data=visa"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("data=visa", "root=nowhere"), r"root \(=nowhere\) is no folder"),
        (("data=visa", "root=.", "categories=candel"), r"categories \(=candel\) is no category of visa; did you mean"),
        (("data=visa", "root=.", "categories=[]"), r"categories \(=\[\]\) must name at least one"),
        (("data=folder", "root=."), r"categories \(=None\) must name at least one category of data=folder"),
    ],
)
def test_bad_input(words: tuple[str, ...], message: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        check(compose_command("check", *words))
