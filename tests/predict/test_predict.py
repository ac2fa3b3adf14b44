import csv
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from PIL import Image

import fae
from fae.detector import Detection, Detector
from fae.predict import predict
from fae.train import train
from tests.conftest import SHORT, moved, textured
from tests.predict.conftest import compose_predict, rows
from tests.processes import Forked

Build = Callable[..., DictConfig]


def test_the_detector_says_what_the_run_said_of_its_test_images(run_dir: Path) -> None:
    detector = fae.load(run_dir)
    metrics = json.loads((run_dir / "metrics.json").read_text())
    assert (detector.image_threshold, detector.pixel_threshold) == (
        metrics["image_threshold"],
        metrics["pixel_threshold"],
    )
    with (run_dir / "scores.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            found = detector(Path(row["path"]))
            assert found.score == pytest.approx(float(row["score"]), rel=1e-4)
            assert found.anomalous == (found.score > metrics["image_threshold"])
            assert found.anomaly_map.shape == found.mask.shape == (32, 32)
            assert (found.mask == (found.anomaly_map > metrics["pixel_threshold"])).all()
            array = np.asarray(Image.open(row["path"]))
            assert detector(array).score == found.score


def test_images_score_together_as_they_do_alone(run_dir: Path) -> None:
    detector, rng = fae.load(run_dir), np.random.default_rng(0)
    images = [textured(rng, *size) for size in ((32, 32), (40, 32), (16, 16))] + [textured(rng)[..., 0]]
    for together, image in zip(detector.batch(images), images, strict=True):
        alone = detector(image)
        assert together.score == pytest.approx(alone.score, rel=1e-5)
        np.testing.assert_allclose(together.anomaly_map, alone.anomaly_map, rtol=1e-4, atol=1e-7)
    with pytest.raises(ValueError, match=r"images have 3 sizes"):
        fae.load(run_dir, size="native").batch(images)


def test_maps_are_in_the_pixels_of_the_image(run_dir: Path) -> None:
    rng = np.random.default_rng(1)
    image = textured(rng, 64, 96)
    image[20:40, 60:80] = 255
    found = fae.load(run_dir)(image)
    assert found.anomaly_map.shape == (64, 96)
    row, column = np.unravel_index(found.anomaly_map.argmax(), found.anomaly_map.shape)
    assert 14 <= row <= 46
    assert 54 <= column <= 86
    native = fae.load(run_dir, size="native")
    small = textured(rng, 32, 32)
    assert native(small).score == fae.load(run_dir)(small).score
    np.testing.assert_allclose(
        fae.load(run_dir, size="native", tile=16)(image).anomaly_map, native(image).anomaly_map, atol=1e-5
    )


def test_overlapping_tiles_are_an_option_that_differs(run_dir: Path) -> None:
    image = textured(np.random.default_rng(1), 64, 96)
    native = fae.load(run_dir, size="native")(image).anomaly_map
    wide = fae.load(run_dir, size="native", tile=16, overlap=96)(image).anomaly_map
    np.testing.assert_allclose(wide, native, atol=1e-5)
    narrow = fae.load(run_dir, size="native", tile=16, overlap=0)(image).anomaly_map
    assert np.abs(narrow - native).max() > 1e-4
    with pytest.raises(ValueError, match=r"overlap \(=8\) needs tile"):
        fae.load(run_dir, overlap=8)


def test_what_is_no_image_is_refused(run_dir: Path, tmp_path: Path) -> None:
    detector = fae.load(run_dir)
    for wrong in (np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3), np.float32), np.zeros((2, 8, 8, 3), np.uint8)):
        with pytest.raises(ValueError, match=r"must be uint8, \(height, width, 3\) in RGB"):
            detector(wrong)
    grey = textured(np.random.default_rng(0))[..., 0]
    assert detector(grey).score == detector(np.repeat(grey[..., None], 3, axis=2)).score
    with pytest.raises(ValueError, match=r"size \(='huge'\) must be run"):
        fae.load(run_dir, size="huge")
    with pytest.raises(ValueError, match=r"tile \(=12\) must be a multiple of 8"):
        fae.load(run_dir, tile=12)(grey)
    with pytest.raises(ValueError, match="is no run of fae.train"):
        fae.load(tmp_path)
    with pytest.raises(
        FileNotFoundError,
        match=r"other.pt does not exist; `python -m fae.evaluate run_dir=.* name=again` writes a new one",
    ):
        fae.load(run_dir, evaluation="other")


def test_a_detector_belongs_to_its_weights_and_its_version(run_dir: Path, tmp_path: Path) -> None:
    own = moved(run_dir, tmp_path)
    path = own / "detector.pt"
    state = torch.load(path, weights_only=True)
    for change, message in (
        ({"checkpoint": "0" * 16}, "belongs to other weights than"),
        ({"format": 99}, "has format 99, but this version reads format 4"),
    ):
        torch.save(state | change, path)
        with pytest.raises(ValueError, match=message):
            fae.load(own)
    path.write_bytes(b"no detector")
    with pytest.raises(ValueError, match="is no detector"):
        fae.load(own)


def test_folders_globs_and_lists(run_dir: Path, tmp_path: Path) -> None:
    test = run_dir.parent / "tiny" / "test"
    output = tmp_path / "out"
    assert predict(compose_predict(f"run_dir={run_dir}", f"input={test}", f"output={output}")) == 0
    with (output / "predictions.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert len(table) == 8
    detector = fae.load(run_dir)
    for row in table:
        path = Path(row["path"])
        found = detector(path)
        assert float(row["score"]) == pytest.approx(found.score, rel=1e-5)  # images score together up to rounding
        assert (
            row["anomalous"]
            == str(float(row["score"]) > detector.image_threshold)
            == str(float(row["anomaly_percent"]) > 50)
        )
        assert float(row["anomaly_percent"]) == pytest.approx(detector.percent(found.score), rel=1e-3)
        name = f"{path.parent.name}/{path.name}"
        anomaly_map = np.asarray(Image.open(output / "maps" / f"{name}.tiff"))
        np.testing.assert_allclose(anomaly_map, found.anomaly_map, rtol=1e-5, atol=1e-7)
        mask = np.asarray(Image.open(output / "masks" / f"{name}.png")) > 0
        np.testing.assert_array_equal(mask, anomaly_map > detector.pixel_threshold)
        assert int(row["area"]) == mask.sum()
        assert np.asarray(Image.open(output / "overlays" / f"{name}.png")).shape == (32, 32, 3)
        if mask.any():
            x, y, w, h = (int(row[key]) for key in ("left", "top", "width", "height"))
            assert mask[y : y + h, x : x + w].any(axis=0).all()
            assert mask[y : y + h, x : x + w].any(axis=1).all()
        else:
            assert row["left"] == ""
    some = tmp_path / "some"
    inputs = f"input=['{test}/good/*.png','{test}/square/000.png']"
    predict(compose_predict(f"run_dir={run_dir}", inputs, f"output={some}", "write.map=false", "write.overlay=false"))
    assert len(list((some / "masks").rglob("*.png"))) == 5
    assert not (some / "maps").exists()
    with pytest.raises(FileNotFoundError, match=r"input \(=nowhere\) is no file, no folder with images and no glob"):
        predict(compose_predict(f"run_dir={run_dir}", "input=nowhere", f"output={tmp_path / 'x'}"))
    assert not (tmp_path / "x").exists()


def test_bad_files_are_reported_and_the_rest_is_done(run_dir: Path, tmp_path: Path, forked: Forked) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    good = textured(np.random.default_rng(0))
    Image.fromarray(good).save(folder / "a.png")
    (folder / "b.png").write_bytes(b"not a picture")
    (folder / "c.jpg").write_bytes((folder / "a.png").read_bytes()[:200])
    Image.fromarray(good).save(folder / "d.png")
    (folder / "notes.txt").write_text("no image")
    done = forked.command("fae.predict", f"run_dir={run_dir}", f"input={folder}", f"output={tmp_path / 'o'}")
    assert done.returncode == 3, done.stderr
    assert "4 image(s), 2 of them could not be scored" in done.stdout
    table = rows(tmp_path / "o")
    assert "cannot be read as an image" in table["b.png"]["error"]
    assert "cannot be read as an image" in table["c.jpg"]["error"]
    assert table["b.png"]["score"] == ""
    assert table["a.png"]["score"] == table["d.png"]["score"] != ""
    assert {p.name for p in (tmp_path / "o" / "maps").iterdir()} == {"a.png.tiff", "d.png.tiff"}


def test_a_mended_file_is_tried_again(run_dir: Path, tmp_path: Path) -> None:
    folder, output = tmp_path / "in", tmp_path / "in" / "out"  # the output in the input, as with input=.
    folder.mkdir()
    Image.fromarray(textured(np.random.default_rng(0))).save(folder / "a.png")
    (folder / "b.png").write_bytes(b"not a picture")
    (folder / "dir.png").mkdir()
    (folder / ".hidden").mkdir()
    Image.fromarray(textured(np.random.default_rng(0))).save(folder / ".hidden" / "h.png")
    arguments = (f"run_dir={run_dir}", f"input={folder}", f"output={output}")
    assert predict(compose_predict(*arguments)) == 1
    (folder / "a.png").rename(folder / "b.png")
    Image.fromarray(textured(np.random.default_rng(1))).save(folder / "a.png")
    assert predict(compose_predict(*arguments)) == 0
    table = rows(output)
    assert set(table) == {"a.png", "b.png"}, "neither predictions, folders nor hidden files are inputs"
    assert table["b.png"]["error"] == ""


def test_an_image_too_large_is_its_own_error_and_a_defect_of_ours_is_not(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (f"run_dir={run_dir}", f"input={run_dir.parent / 'tiny' / 'test' / 'good'}", f"output={tmp_path / 'o'}")

    def fails(error: Exception) -> Callable[..., Detection]:
        def call(self: Detector, images: object) -> list[Detection]:
            raise error

        return call

    monkeypatch.setattr(Detector, "batch", fails(RuntimeError("out of memory")))
    assert predict(compose_predict(*arguments)) == 4
    assert {row["error"] for row in rows(tmp_path / "o").values()} == {"RuntimeError: out of memory"}
    monkeypatch.setattr(Detector, "batch", fails(TypeError("a defect")))
    with pytest.raises(TypeError, match="a defect"):
        predict(compose_predict(*arguments))


def test_pictures_stay_in_the_output(run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = tmp_path / "here", tmp_path / "there" / "deep"
    for folder in (here, there):
        folder.mkdir(parents=True)
        Image.fromarray(textured(np.random.default_rng(0))).save(folder / "x.png")
    monkeypatch.chdir(here)
    arguments = (f"run_dir={run_dir}", "output=../out")
    predict(compose_predict(*arguments, f"input=[x.png,../there/deep/x.png,{here / 'x.png'}]"))
    written = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.tiff"))
    assert written == ["maps/here/x.png.tiff", "maps/there/deep/x.png.tiff"]
    assert not list((tmp_path / "there").rglob("*.tiff"))
    with pytest.raises(ValueError, match=r"holds predictions with other settings \(root\)"):
        predict(compose_predict(*arguments, f"input={there}"))
    for wrong in ("input=null", "input=[]"):
        with pytest.raises(ValueError, match="input must name a file, a folder or a glob"):
            predict(compose_predict(*arguments, wrong))


def test_thresholds_of_resized_images_do_not_hold_for_native_ones(
    run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fae.load(run_dir).image_threshold is not None
    assert fae.load(run_dir, size="native").image_threshold is None
    good = run_dir.parent / "tiny" / "test" / "good"
    predict(compose_predict(f"run_dir={run_dir}", f"input={good}", f"output={tmp_path / 'o'}", "size=native"))
    assert "does not hold with size=native" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"device \(=toaster\) cannot be used here"):
        fae.load(run_dir, device="toaster")


def test_a_finished_folder_takes_further_images_of_the_same_settings(run_dir: Path, tmp_path: Path) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        Image.fromarray(textured(rng)).save(folder / name)
    arguments = (f"run_dir={run_dir}", f"input={folder}", f"output={output}")
    assert predict(compose_predict(*arguments)) == 0
    stamp = (output / "maps" / "a.png.tiff").stat().st_mtime_ns
    Image.fromarray(textured(rng)).save(folder / "new.png")
    predict(compose_predict(*arguments, "batch_size=1", "threads=2"))
    assert list(rows(output)) == ["a.png", "b.png", "new.png"]
    assert (output / "maps" / "a.png.tiff").stat().st_mtime_ns == stamp, "it keeps what it has"
    with pytest.raises(ValueError, match=r"holds predictions with other settings \(threshold, thresholds\)"):
        predict(compose_predict(*arguments, "threshold.image=0.5"))
    with pytest.raises(ValueError, match="holds other files and no predictions"):
        predict(compose_predict(f"run_dir={run_dir}", f"input={folder}", f"output={run_dir.parent / 'tiny'}"))


def test_without_thresholds_it_scores_and_says_what_is_missing(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = json.loads((whole / "metrics.json").read_text())
    assert metrics["image_threshold"] is None
    assert "needs at least 19 held-out normal images, there are 2" in metrics["image_threshold_undefined"]
    arguments = (f"run_dir={whole}", f"input={whole.parent / 'tiny' / 'test' / 'good'}")
    predict(compose_predict(*arguments, f"output={tmp_path / 'o'}"))
    said = capsys.readouterr().out
    assert (
        "NOTE: no decisions are made: image_rate (=0.05) needs at least 19 held-out normal images, there are 2" in said
    )
    assert "hold out more (data.val_fraction)" in said
    assert {row["anomalous"] for row in rows(tmp_path / "o").values()} == {""}
    predict(compose_predict(*arguments, f"output={tmp_path / 'p'}", "threshold.image=0", "threshold.pixel=1e9"))
    table = rows(tmp_path / "p").values()
    assert {(row["anomalous"], row["area"], row["regions"], row["left"]) for row in table} == {("True", "0", "0", "")}


def test_images_of_another_size_than_those_of_training(tiny_config: Build, tiny: Path, tmp_path: Path) -> None:
    """Without data.image_size the scale of a picture is its own: nothing is resized behind the user's back."""
    train(tiny_config("own", "data.image_size=null", "category.t=50", *SHORT))
    detector = fae.load(tmp_path / "own")
    image = textured(np.random.default_rng(0), 40, 32)
    with pytest.raises(
        ValueError, match=r"has 40×32 pixels, but the images of training have 32×32 and .* use size=native"
    ):
        detector(image)
    with pytest.raises(ValueError, match=r"size \(=native\) needs score.t = 0 \(it is 50\)"):
        fae.load(tmp_path / "own", size="native")


def test_nan_in_the_weights_is_an_error_of_each_file(whole: Path) -> None:
    detector = fae.load(whole)
    detector.levels = lambda image: image * float("nan")
    with pytest.raises(ValueError, match="the map holds NaN"):
        detector(textured(np.random.default_rng(0)))


def test_a_replaced_file_is_scored_again(run_dir: Path, tmp_path: Path) -> None:
    """Even one of the same name, size and date; and a file that is gone keeps its line."""
    good = run_dir.parent / "tiny" / "test"
    images = [np.asarray(Image.open(next((good / kind).iterdir()))) for kind in ("square", "good")]
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in ("latest.bmp", "kept.bmp", "gone.bmp"):
        Image.fromarray(images[0]).save(folder / name)
    before = (folder / "latest.bmp").stat()
    arguments = (f"run_dir={run_dir}", f"input={folder}", f"output={output}")
    predict(compose_predict(*arguments))
    first = rows(output)
    Image.fromarray(images[1]).save(folder / "latest.bmp")
    os.utime(folder / "latest.bmp", ns=(before.st_atime_ns, before.st_mtime_ns))
    (folder / "gone.bmp").unlink()
    predict(compose_predict(*arguments))
    again = rows(output)
    assert (
        float(again["latest.bmp"]["score"])
        == pytest.approx(fae.load(run_dir)(images[1]).score, rel=1e-5)
        != float(first["latest.bmp"]["score"])
    )
    assert {name: again[name] for name in ("kept.bmp", "gone.bmp")} == {
        name: first[name] for name in ("kept.bmp", "gone.bmp")
    }
    with (output / "predictions.csv").open(newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 3
