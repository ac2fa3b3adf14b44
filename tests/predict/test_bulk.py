"""Many images: lists, shards, several processes, and what is refused."""

import csv
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from fae.detector import Detector
from fae.merge import merge
from fae.predict import predict
from fae.predict.inputs import Inputs
from fae.predict.workers import in_threads
from tests.conftest import compose_command, textured
from tests.predict.conftest import compose_predict, rows
from tests.processes import Done, Forked

ROOT = Path(__file__).parents[2]
LAUNCHED = {"joblib": ["hydra.launcher.n_jobs=2"], "submitit_local": ["hydra.launcher.timeout_min=5"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten images in two folders, and a file that is no image."""
    rng = np.random.default_rng(0)
    for i in range(10):
        path = tmp_path / "in" / ("a" if i % 2 else "b") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(textured(rng, 32, 32 + 8 * (i % 3))).save(path)
    (tmp_path / "in" / "a" / "bad.png").write_text("no image")
    return tmp_path / "in"


def all_but_scores(output: Path) -> dict[str, dict[str, str]]:
    return {name: {key: value for key, value in row.items() if key != "score"} for name, row in rows(output).items()}


def scores(output: Path) -> list[float]:
    return [float(row["score"] or "nan") for row in rows(output).values()]


@pytest.mark.parametrize(
    "launcher", ["basic", *(pytest.param(name, marks=pytest.mark.slow) for name in ("joblib", "ray", "submitit_local"))]
)
def test_four_shards_equal_one_run(launcher: str, run_dir: Path, folder: Path, tmp_path: Path, forked: Forked) -> None:
    """And the exit code 3 survives the processes that a launcher starts."""
    assert predict(compose_predict(f"run_dir={run_dir}", f"input={folder}", f"output={tmp_path / 'one'}")) == 1
    words = (f"run_dir={run_dir}", f"input={folder}", f"output={tmp_path / 'four'}")
    shards = ("shard.count=4", "shard.index=range(0,4)", f"hydra/launcher={launcher}", *LAUNCHED.get(launcher, ()))
    if launcher == "basic":
        done = forked.command("fae.predict", "-m", *words, *shards)
    else:  # these launchers wait for their own processes when an interpreter ends, which a forked one does not
        command = [sys.executable, "-m", "fae.predict", "-m", *words, *shards]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        done = Done(ran.returncode, ran.stdout, ran.stderr)
    assert done.returncode == 3, done.stderr
    assert "1 image(s) of all jobs could not be scored" in done.stdout
    assert not (tmp_path / "four" / "predictions.csv").exists()
    done = forked.command("fae.merge", f"output={tmp_path / 'four'}")
    assert done.returncode == 3, done.stderr
    assert [line.split(",")[0] for line in done.stdout.splitlines()[:4]] == [f"shard {i} of 4: done" for i in range(4)]
    assert "11 image(s), 1 of them could not be scored" in done.stdout
    assert all_but_scores(tmp_path / "four") == all_but_scores(tmp_path / "one")
    assert list(rows(tmp_path / "four")) == list(rows(tmp_path / "one"))
    np.testing.assert_allclose(scores(tmp_path / "four"), scores(tmp_path / "one"), rtol=1e-5)
    pictures = [
        sorted(str(path.relative_to(tmp_path / name)) for path in (tmp_path / name / "maps").rglob("*.tiff"))
        for name in ("one", "four")
    ]
    assert pictures[0] == pictures[1]
    assert len(pictures[0]) == 10


def test_a_job_that_fails_is_told_and_the_others_go_on(
    run_dir: Path, folder: Path, tmp_path: Path, forked: Forked
) -> None:
    words = (f"run_dir={run_dir}", f"input={folder}", f"output={tmp_path / 'o'}", "shard.count=2")
    done = forked.command("fae.predict", "-m", *words, "shard.index=0,5,1")
    assert done.returncode == 1
    assert "shard.index (=5) must lie between 0 and shard.count - 1 (=1); shards are counted from 0" in done.stderr
    assert "error: 1 run(s) failed" in done.stderr
    assert sum((tmp_path / "o" / f"shard-00{i}-of-002" / "state.json").is_file() for i in (0, 1)) == 2


def test_merging_says_how_far_each_shard_has_come(
    run_dir: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "o"
    words = (f"run_dir={run_dir}", f"input={folder}/b", f"output={output}", "shard.count=3", "maps=none")
    for index in (0, 2):
        assert predict(compose_predict(*words, f"shard.index={index}")) == 0
    assert not (output / "maps").exists()
    (output / "shard-002-of-003" / "state.json").unlink()  # as if it had been killed before its end
    capsys.readouterr()
    assert not merge(compose_command("merge", f"output={output}", "format=[csv,parquet]"))
    said = capsys.readouterr().out.splitlines()
    assert [line.split(" row(s)")[0].rpartition(", ")[0] for line in said[:3]] == [
        "shard 0 of 3: done",
        "shard 1 of 3: missing",
        "shard 2 of 3: interrupted, or still running",
    ]
    assert (
        "2 shard(s) of 3 are not done; repeat their commands: fae.predict -m … shard.count=3 shard.index=1,2"
        in (said[-1])
    )
    for index in (1, 2):
        assert predict(compose_predict(*words, f"shard.index={index}")) == 0
    assert merge(compose_command("merge", f"output={output}", "format=parquet"))
    assert "5 image(s), 0 of them" in capsys.readouterr().out
    from pyarrow import parquet

    table = parquet.read_table(output / "predictions.parquet").to_pydict()
    assert table["path"] == sorted(str(path) for path in (folder / "b").iterdir())
    assert all(score > 0 for score in table["score"])
    with pytest.raises(ValueError, match=r"format \(=xlsx\) must be csv or parquet, or a list of them"):
        merge(compose_command("merge", f"output={output}", "format=xlsx"))
    with pytest.raises(ValueError, match=r"output \(=.*\) holds no predictions of fae.predict"):
        merge(compose_command("merge", f"output={folder}"))


def test_shards_that_are_refused(run_dir: Path, folder: Path, tmp_path: Path) -> None:
    words = (f"run_dir={run_dir}", f"input={folder}", f"output={tmp_path / 'o'}")
    for wrong, message in (
        ("shard.index=1", r"shard.index \(=1\) must lie between 0 and shard.count - 1 \(=0\)"),
        ("shard.index=-1", r"shard.index \(=-1\) must lie between"),
        ("shard.count=0", r"shard.count \(=0\) must be at least 1"),
        ("threads=0", r"threads \(=0\) must be at least 1"),
        ("batch_size=0", r"batch_size \(=0\) must be at least 1"),
        ("maps=some", r"maps \(=some\) must be all, anomalous or none"),
    ):
        with pytest.raises(ValueError, match=message):
            predict(compose_predict(*words, wrong))
    assert not (tmp_path / "o").exists()
    predict(compose_predict(*words, "shard.count=2"))
    with pytest.raises(ValueError, match=r"holds predictions with other settings \(shard.count\)"):
        predict(compose_predict(*words, "shard.count=3"))
    with (
        FileLock(tmp_path / "o" / "shard-001-of-002" / ".lock"),
        pytest.raises(ValueError, match=r"output \(=.*shard-001-of-002\) is in use by another process"),
    ):
        predict(compose_predict(*words, "shard.count=2", "shard.index=1"))


def test_an_empty_shard_is_fine(run_dir: Path, folder: Path, tmp_path: Path) -> None:
    words = (f"run_dir={run_dir}", f"input={folder}/b/0.png", f"output={tmp_path / 'o'}", "shard.count=2")
    assert [predict(compose_predict(*words, f"shard.index={index}")) for index in (0, 1)] == [0, 0]
    files = [json.loads((tmp_path / "o" / f"shard-00{i}-of-002" / "state.json").read_text())["files"] for i in (0, 1)]
    assert sorted(files) == [0, 1]
    assert merge(compose_command("merge", f"output={tmp_path / 'o'}"))


def test_a_list_of_files(run_dir: Path, folder: Path, tmp_path: Path) -> None:
    """Its paths are relative to its folder or absolute; a missing file is a row with an error, not an end."""
    text = f"\ufeffa/1.png\r\n{folder}/b/0.png\n\na/../b/0.png\nb/gone.png\n"
    (folder / "list.txt").write_text(text, encoding="utf-8", newline="")
    words = (f"run_dir={run_dir}", f"input=@{folder}/list.txt", f"output={tmp_path / 'o'}")
    assert predict(compose_predict(*words)) == 1
    found = rows(tmp_path / "o")
    assert list(found) == ["1.png", "0.png", "gone.png"]
    assert "gone.png cannot be read as an image" in found["gone.png"]["error"]
    assert sorted(path.name for path in (tmp_path / "o" / "maps").rglob("*.tiff")) == ["0.png.tiff", "1.png.tiff"]
    shutil.copy(folder / "b" / "0.png", folder / "b" / "gone.png")
    assert predict(compose_predict(*words)) == 0
    with pytest.raises(FileNotFoundError, match=r"input \(=@nowhere.txt\) is no file; name a text file with one path"):
        predict(compose_predict(words[0], "input=@nowhere.txt", words[2]))
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(ValueError, match=r"input \(=@empty.txt\) names no file; write one path in each line"):
        predict(compose_predict(words[0], "input=@empty.txt", words[2]))


def test_a_name_that_is_no_text_keeps_its_bytes(run_dir: Path, folder: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff.png")
    for inside in (name, os.fsdecode(b"\xfe.png")):
        shutil.copy(folder / "b" / "0.png", folder / "b" / inside)
    (folder / "b" / os.fsdecode(b"\xfe.png")).write_text("no image")
    words = (f"run_dir={run_dir}", f"input={folder}/b", f"output={tmp_path / 'o'}")
    assert predict(compose_predict(*words)) == 1
    with (tmp_path / "o" / "predictions.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        found = {Path(row["path"]).name: row for row in csv.DictReader(file)}
    assert found[name]["score"] == found["0.png"]["score"] != ""
    assert r"\udcfe.png cannot be read" in found[os.fsdecode(b"\xfe.png")]["error"]
    assert (tmp_path / "o" / "maps" / f"{name}.tiff").is_file()
    merge(compose_command("merge", f"output={tmp_path / 'o'}", "format=parquet"))
    from pyarrow import parquet

    table = parquet.read_table(tmp_path / "o" / "predictions.parquet")
    assert str(folder / "b" / r"\xff.png") in table["path"].to_pylist()


def test_pictures_of_anomalous_images_alone(run_dir: Path, tmp_path: Path, whole: Path) -> None:
    test = run_dir.parent / "tiny" / "test"
    words = (f"run_dir={run_dir}", f"input={test}", f"output={tmp_path / 'o'}", "maps=anomalous", "write.mask=false")
    predict(compose_predict(*words))
    anomalous = {name for name, row in rows_by_path(tmp_path / "o").items() if row["anomalous"] == "True"}
    assert 0 < len(anomalous) < 8
    for kind, suffix in (("maps", ".tiff"), ("overlays", ".png")):
        written = {
            str(path.relative_to(tmp_path / "o" / kind)).removesuffix(suffix)
            for path in (tmp_path / "o" / kind).rglob(f"*{suffix}")
        }
        assert written == {str(Path(name).relative_to(test)) for name in anomalous}
    assert not (tmp_path / "o" / "masks").exists()
    with pytest.raises(ValueError, match=r"maps \(=anomalous\) needs a threshold for images; set threshold.image, or"):
        predict(compose_predict(f"run_dir={whole}", *words[1:2], f"output={tmp_path / 'p'}", "maps=anomalous"))
    assert not (tmp_path / "p").exists()


def rows_by_path(output: Path) -> dict[str, dict[str, str]]:
    with (output / "predictions.csv").open(newline="", encoding="utf-8") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


def test_rows_of_files_that_are_not_listed_any_more(run_dir: Path, folder: Path, tmp_path: Path) -> None:
    """A file that is gone keeps its row; one that failed or was changed loses it."""
    shutil.copy(folder / "b" / "0.png", folder / "a" / "kept.png")
    words = (f"run_dir={run_dir}", f"output={tmp_path / 'o'}", "maps=none")
    predict(compose_predict(*words, f"input={folder}/a"))
    before = rows(tmp_path / "o")
    assert before["bad.png"]["error"]
    (folder / "a" / "bad.png").unlink()
    (folder / "a" / "1.png").unlink()
    shutil.copy(folder / "b" / "0.png", folder / "a" / "3.png")
    assert predict(compose_predict(*words, f"input='{folder}/a/[5k]*.png'")) == 0
    after = rows(tmp_path / "o")
    assert after == {name: row for name, row in before.items() if name not in ("bad.png", "3.png")}
    assert predict(compose_predict(*words, f"input={folder}/a")) == 0
    assert list(rows(tmp_path / "o")) == ["1.png", "3.png", "5.png", "7.png", "9.png", "kept.png"]


def test_images_of_several_sizes_at_their_own_size(run_dir: Path, folder: Path, tmp_path: Path) -> None:
    """Those of one size score together, and each as it does alone."""
    words = (f"run_dir={run_dir}", f"input={folder}", f"output={tmp_path / 'o'}", "size=native", "threads=2")
    assert predict(compose_predict(*words)) == 1
    from fae.detector import load

    detector = load(run_dir, size="native")
    for name, row in rows_by_path(tmp_path / "o").items():
        if not row["error"]:
            assert float(row["score"]) == pytest.approx(detector(Path(name)).score, rel=1e-5)


def test_one_bad_image_of_a_batch_is_its_own_error(
    run_dir: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together: list[int] = []
    scored = Detector.batch

    def fails(self: Detector, images: list[np.ndarray]) -> object:
        together.append(len(images))
        if any(image.shape[1] == 48 for image in images):
            raise RuntimeError("out of memory")
        return scored(self, images)

    monkeypatch.setattr(Detector, "batch", fails)
    assert predict(compose_predict(f"run_dir={run_dir}", f"input={folder}", f"output={tmp_path / 'o'}")) == 3 + 1
    assert together == [10, *[1] * 10]
    bad = {name for name, row in rows(tmp_path / "o").items() if row["error"] == "RuntimeError: out of memory"}
    assert bad == {"2.png", "5.png", "8.png"}


def test_a_batch_holds_fewer_large_images(
    run_dir: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together: list[int] = []
    scored = Detector.batch
    monkeypatch.setattr(Detector, "batch", lambda self, images: together.append(len(images)) or scored(self, images))
    monkeypatch.setattr("fae.predict.scorer._SEEN", 3 * 32 * 32)
    predict(compose_predict(f"run_dir={run_dir}", f"input={folder}/b", f"output={tmp_path / 'o'}"))
    assert together == [3, 2]


def test_inputs_are_streams_without_the_output(folder: Path, tmp_path: Path) -> None:
    (folder / "o" / "maps").mkdir(parents=True)
    shutil.copy(folder / "b" / "0.png", folder / "o" / "maps" / "x.png")
    (tmp_path / "list.txt").write_text(f"in/a/1.png\n{folder}/o/maps/x.png\n")
    inputs = Inputs([str(folder), f"{folder}/**/*.png", "@list.txt", f"{folder}/b/0.png"], folder / "o")
    found = list(inputs)
    assert len(found) == 11 + 11 + 1 + 1
    assert set(found) == {os.fsencode(path) for path in folder.rglob("*.png") if "o" not in path.parts[-3:]}
    assert inputs.root() == folder
    assert Inputs("@list.txt", tmp_path / "other").root() == folder


def test_threads_keep_the_order_and_few_groups_wait() -> None:
    taken = 0

    def source() -> object:
        nonlocal taken
        for i in range(100):
            taken = i
            yield i

    seen = set()

    def double(group: list[int]) -> list[int]:
        seen.add(threading.get_ident())
        return [2 * one for one in group]

    found = in_threads(double, source(), 4, 3)
    assert next(found) == [0, 2, 4, 6]
    assert taken < 4 * (3 + 2)
    assert [one for group in found for one in group] == list(range(8, 200, 2))
    assert threading.get_ident() not in seen
    broken = in_threads(lambda group: 1 // group[0], source(), 1, 2)
    with pytest.raises(ZeroDivisionError):
        next(broken)
