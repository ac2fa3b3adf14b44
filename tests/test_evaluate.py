import csv
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.errors import InstantiationException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from fae.cli.command import explain
from fae.detector import load
from fae.evaluate import evaluate
from fae.evaluation.ensemble import pooled, together
from fae.evaluation.finished_run import Scored
from fae.evaluation.search import Setting
from fae.metric.auroc import auroc
from fae.model.autoencoder import SDCAutoencoder
from fae.score.score import image_scores
from fae.score.threshold import Thresholds
from fae.train import train
from tests.conftest import SHORT, compose_command, moved, once, train_tiny, write_tiny

Build = Callable[..., DictConfig]
pytestmark = pytest.mark.usefixtures("unpainted")


def compose_evaluate(*overrides: str) -> DictConfig:
    return compose_command("evaluate", *overrides)


@pytest.fixture
def run_dir(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    """A finished run, beside `tiny`."""
    return moved(once(tmp_path_factory, "damped", lambda root: train_tiny(root, "category.t=100")) / "run", tmp_path)


def test_reproduces_the_numbers_of_training_and_leaves_them_alone(run_dir: Path) -> None:
    before = (run_dir / "metrics.json").read_bytes()
    trained = json.loads(before)
    metrics = evaluate(compose_evaluate(f"run_dir={run_dir}"))
    of_training = {"overrides", "steps", "seconds", "compiled", "weights_of"}
    of_training |= {"unseen_damage", "unseen_pixel_auroc", "trivial_unseen_pixel_auroc", "unseen_warning"}
    of_training |= {key for key in trained if key.startswith("unseen_pixel_auroc_")}
    assert metrics == {key: value for key, value in trained.items() if key not in of_training}
    assert (run_dir / "metrics.json").read_bytes() == before
    (written,) = (run_dir / "evaluation").glob("*.json")
    assert json.loads(written.read_text()) == metrics
    first, again = (torch.load(p, weights_only=True) for p in (run_dir / "detector.pt", written.with_suffix(".pt")))
    assert torch.equal(first.pop("damping"), again.pop("damping"))
    assert first == again
    assert written.stem == "squared-k5-n2-t100-contrast0.01"


def test_a_run_that_a_time_ended_is_evaluated(run_dir: Path) -> None:
    """An earlier version took `trainer.max_time`; the length of a training is nothing to its evaluation."""
    cfg = OmegaConf.load(run_dir / "config.yaml")
    cfg.trainer.max_time = "00:00:01:00"
    OmegaConf.save(cfg, run_dir / "config.yaml")
    metrics = evaluate(compose_evaluate(f"run_dir={run_dir}"))
    assert metrics["image_auroc"] == json.loads((run_dir / "metrics.json").read_text())["image_auroc"]


@pytest.fixture
def batches() -> Iterator[list[int]]:
    """How many images each batch had that a network has seen."""
    seen: list[int] = []

    def count(module: nn.Module, images: tuple[Tensor, ...]) -> None:
        if isinstance(module, SDCAutoencoder):
            seen.append(len(images[0]))

    hook = register_module_forward_pre_hook(count)
    yield seen
    hook.remove()


def test_every_key_counts_and_the_network_runs_once(run_dir: Path, batches: list[int]) -> None:
    first = evaluate(compose_evaluate(f"run_dir={run_dir}"))
    once_through = [2, 4, 4]  # the held-out images and the test images
    assert batches == once_through
    for change in ("score.k=7", "score.n=0", "score.t=0", "score/image_score=sum"):
        metrics = evaluate(compose_evaluate(f"run_dir={run_dir}", change))
        key = change.split("=")[0].split("/")[-1].removeprefix("score.")
        assert metrics[key] != first[key]
        assert (metrics["pixel_auroc"], metrics["image_auroc"]) != (first["pixel_auroc"], first["image_auroc"])
    assert batches == once_through
    ssim = evaluate(compose_evaluate(f"run_dir={run_dir}", "score/residual=ssim", "name=mine"))
    assert batches == 2 * once_through
    assert ssim["pixel_auroc"] != first["pixel_auroc"]
    assert json.loads((run_dir / "evaluation" / "mine.json").read_text()) == ssim
    # Other weights, other residuals.
    checkpoint = torch.load(run_dir / "best.ckpt", weights_only=True)
    checkpoint["state_dict"]["network.model.decoder.9.bias"] += 1
    torch.save(checkpoint, run_dir / "best.ckpt")
    assert evaluate(compose_evaluate(f"run_dir={run_dir}"))["pixel_auroc"] != first["pixel_auroc"]
    assert batches == 3 * once_through


def test_images_that_have_moved(run_dir: Path, tiny: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "tiny"
    shutil.copytree(tiny, moved)
    shutil.rmtree(tiny)
    with pytest.raises(FileNotFoundError, match="is no folder"):
        evaluate(compose_evaluate(f"run_dir={run_dir}"))
    metrics = evaluate(compose_evaluate(f"run_dir={run_dir}", f"data.root={moved}"))
    assert metrics["pixel_auroc"] == json.loads((run_dir / "metrics.json").read_text())["pixel_auroc"]
    (moved / "test" / "good" / "000.png").unlink()
    with pytest.raises(ValueError, match="begun on other images .* set data.root to the run's images"):
        evaluate(compose_evaluate(f"run_dir={run_dir}", f"data.root={moved}"))


def test_what_is_no_finished_run(run_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is no run of fae.train: it holds no config.yaml"):
        evaluate(compose_evaluate(f"run_dir={tmp_path / 'nowhere'}"))
    best = torch.load(run_dir / "best.ckpt", weights_only=True)
    del best["state_dict"]["network.model.decoder.9.bias"]
    torch.save(best, run_dir / "best.ckpt")
    with pytest.raises(ValueError, match=r"best.ckpt holds no weights for the network of this run \(.*; train it"):
        evaluate(compose_evaluate(f"run_dir={run_dir}"))
    (run_dir / "best.ckpt").write_bytes(b"no checkpoint at all")
    with pytest.raises(ValueError, match=r"best.ckpt holds no weights"):
        evaluate(compose_evaluate(f"run_dir={run_dir}"))
    for name in ("best.ckpt", "last.ckpt"):
        (run_dir / name).unlink()
    with pytest.raises(FileNotFoundError, match=r"holds neither best.ckpt nor last.ckpt; train it again"):
        evaluate(compose_evaluate(f"run_dir={run_dir}"))
    (run_dir / "metrics.json").unlink()
    with pytest.raises(ValueError, match=r"is not finished: it holds no metrics.json; repeat its training command"):
        evaluate(compose_evaluate(f"run_dir={run_dir}"))


def test_the_protocol_tells_what_was_changed(run_dir: Path) -> None:
    same = evaluate(compose_evaluate(f"run_dir={run_dir}", "score.k=5"))
    assert same["protocol"].startswith("fixed")
    other = evaluate(compose_evaluate(f"run_dir={run_dir}", "score.k=7", "+score.image_score.fraction=0.05"))
    assert other["protocol"] == "changed after training, by whoever has seen its results: score.k, score.image_score"
    assert (run_dir / "evaluation" / "squared-k7-n2-t100-contrast0.05.json").is_file()


def test_wrong_values_name_themselves(run_dir: Path) -> None:
    for wrong, message in (
        ("+data.image_size=64", r"data.image_size cannot change after training"),
        ("+score.kk=3", r"unknown key score.kk; did you mean 'k'"),
        ("name=../metrics", r"name \(=../metrics\) must be a file's name without a folder"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluate(compose_evaluate(f"run_dir={run_dir}", wrong))
    with pytest.raises(InstantiationException, match=r"k \(=4\) must be odd"):
        evaluate(compose_evaluate(f"run_dir={run_dir}", "score.k=4"))
    with pytest.raises(MissingConfigException) as unknown:
        evaluate(compose_evaluate(f"run_dir={run_dir}", "score/residual=squarred"))
    assert explain(unknown.value) == "score/residual=squarred does not exist; did you mean 'squared'?"


def grid_rows(run_dir: Path) -> list[dict[str, float]]:
    (path,) = (run_dir / "evaluation").glob("grid-*-validation.csv")
    with path.open(newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


GRID = ("grid=default", "grid.k=[3,5]", "grid.n=[0,1,2]", "grid.t=[0,100]")


def test_a_grid_says_what_single_settings_say(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(compose_evaluate(f"run_dir={run_dir}", *GRID, "select=validation", "name=chosen"))
    rows = grid_rows(run_dir)
    assert len(rows) == 10, "n = 0 needs no k"
    shown = capsys.readouterr().out
    assert "fixed" in shown
    assert "validation" in shown
    assert (run_dir / "evaluation" / "grid-squared-contrast0.01-validation.png").is_file()
    for row in rows[::3]:
        change = (f"score.k={row['k']:g}", f"score.n={row['n']:g}", f"score.t={row['t']:g}")
        metrics = evaluate(compose_evaluate(f"run_dir={run_dir}", *change))
        for name in ("pixel_auroc", "image_auroc"):
            assert row[name] == pytest.approx(metrics[name], abs=1e-4)
        assert row["aupro"] == pytest.approx(metrics["aupro_0.3"], abs=1e-3)


def test_selection_without_defects_never_looks_at_the_test_images(run_dir: Path, tiny: Path) -> None:
    by_validation = evaluate(compose_evaluate(f"run_dir={run_dir}", *GRID, "select=validation", "name=val"))
    assert by_validation["protocol"].startswith(
        "validation: k, n, t of 10 settings by pixel AUROC on 2 held-out normal"
    )
    rows = grid_rows(run_dir)
    highest = max(row["val_pixel_auroc"] for row in rows)
    near = [row for row in rows if row["val_pixel_auroc"] >= highest - 1e-4]  # counts tell no more
    chosen = min(near, key=lambda row: (row["n"], row["k"], row["t"]))
    assert (by_validation["k"], by_validation["n"], by_validation["t"]) == (chosen["k"], chosen["n"], chosen["t"])
    # With noise in place of the test images it chooses the same.
    (path,) = (run_dir / "evaluation").glob("levels-*.npz")
    kept = dict(np.load(path))
    np.savez(path, **(kept | {"test": np.random.default_rng(0).random(kept["test"].shape, dtype=np.float32)}))
    again = evaluate(compose_evaluate(f"run_dir={run_dir}", *GRID, "select=validation", "name=again"))
    assert [again[key] for key in "knt"] == [by_validation[key] for key in "knt"]
    assert again["pixel_auroc"] != by_validation["pixel_auroc"]
    np.savez(path, **kept)
    oracle = evaluate(compose_evaluate(f"run_dir={run_dir}", *GRID, "select=oracle", "name=oracle"))
    assert oracle["protocol"].startswith("test (oracle): ")
    assert oracle["pixel_auroc"] == pytest.approx(max(row["pixel_auroc"] for row in rows), abs=1e-4)
    assert evaluate(compose_evaluate(f"run_dir={run_dir}", *GRID))["protocol"].startswith("fixed")
    for wrong in (("select=oracle",), (*GRID, "select=best")):
        with pytest.raises(
            ValueError, match=r"select \(=.*\) must be one of validation, oracle, and needs grid=default"
        ):
            evaluate(compose_evaluate(f"run_dir={run_dir}", *wrong))
    for wrong, message in (("grid.k=[4]", r"k \(=4\) must be odd"), ("grid.n=[]", r"grid.n \(=\[\]\) must hold")):
        with pytest.raises(InstantiationException, match=message):
            evaluate(compose_evaluate(f"run_dir={run_dir}", *GRID, wrong))


def test_an_ensemble_is_the_pixelwise_maximum(run_dir: Path, tiny_config: Build, tmp_path: Path) -> None:
    other = tmp_path / "other"
    train(tiny_config("other", "objective=amplify", *SHORT))
    alone = [Scored.open(folder, compose_evaluate(f"run_dir={folder}")) for folder in (run_dir, other)]
    normals, maps = together(alone, "none")
    torch.testing.assert_close(maps, torch.maximum(alone[0].maps()[1], alone[1].maps()[1]), rtol=0, atol=0)
    assert normals.anomaly_map.shape == normals.content.shape == (2, 1, 32, 32)
    _, scaled = together(alone, "validation")
    levels = [run.maps()[0].anomaly_map.mean() for run in alone]
    wanted = torch.maximum(*(run.maps()[1] / level for run, level in zip(alone, levels, strict=True)))
    torch.testing.assert_close(scaled, wanted)
    both = f"ensemble=[{run_dir},{other}]"
    metrics = evaluate(compose_evaluate(f"run_dir={run_dir}", both))
    assert metrics["ensemble"] == [str(run_dir), str(other)]
    data = alone[0].data
    judged, mask = data.test.content, data.mask
    assert metrics["pixel_auroc"] == auroc(maps[judged & ~mask].numpy(), maps[judged & mask].numpy())
    assert len(list((run_dir / "evaluation").glob("ensemble-*-none-squared-k5-n2-t100-contrast0.01.json"))) == 1
    twice = evaluate(compose_evaluate(f"run_dir={run_dir}", f"ensemble=[{run_dir},{run_dir}]", "name=twice"))
    single = json.loads((run_dir / "metrics.json").read_text())
    assert twice["pixel_auroc"] == single["pixel_auroc"]
    with pytest.raises(ValueError, match=r"ensemble_scale \(='loud'\) must be none"):
        evaluate(compose_evaluate(f"run_dir={run_dir}", both, "ensemble_scale=loud"))
    train(tiny_config("seeded", "seed=1", *SHORT))
    with pytest.raises(ValueError, match="seeded has learned from images that .* holds out; train both with one seed"):
        evaluate(compose_evaluate(f"run_dir={run_dir}", f"ensemble=[{run_dir},{tmp_path / 'seeded'}]"))


def test_thresholds_from_other_normal_images_and_from_folds(
    run_dir: Path, tiny_config: Build, tiny: Path, tmp_path: Path
) -> None:
    good = tmp_path / "more"
    write_tiny(good, seed=1)
    good = good / "test" / "good"
    metrics = evaluate(
        compose_evaluate(f"run_dir={run_dir}", f"calibration.root={good}", "threshold.image_rate=0.2", "name=own")
    )
    assert metrics["image_threshold_normals"] == 4
    assert metrics["calibration"] == f"thresholds from normal images of {good}"
    held_out = Scored.open(run_dir, compose_evaluate(f"run_dir={run_dir}"))
    held_out.maps()
    normals = held_out.normals(held_out.others(good))
    highest = image_scores(held_out.score.image_score, normals.anomaly_map, normals.content).max()
    assert metrics["image_threshold"] == float(highest), (
        "one in five of four may lie above: the highest is the threshold"
    )
    for known in (tiny / "train" / "good", tiny / "test" / "good"):
        with pytest.raises(ValueError, match=r"holds 000.png, which is a training or test image of this run"):
            evaluate(compose_evaluate(f"run_dir={run_dir}", f"calibration.root={known}"))
    scores = evaluate(compose_evaluate(f"run_dir={run_dir}", "threshold.image_rate=0.34"))
    assert scores["image_threshold"] != metrics["image_threshold"]
    for fold in range(3):
        train(tiny_config(f"fold{fold}", "data.folds=3", f"data.fold={fold}", *SHORT))
    folds = ",".join(str(tmp_path / f"fold{fold}") for fold in range(3))
    metrics = evaluate(
        compose_evaluate(
            f"run_dir={tmp_path / 'fold0'}", f"calibration.runs=[{folds}]", "threshold.image_rate=0.1", "name=folds"
        )
    )
    assert metrics["image_threshold_normals"] == 12, "every training image, once"
    assert "image_threshold_rate_low" not in metrics, "scores of three networks are no draws from that of one"
    grid = evaluate(
        compose_evaluate(
            *(f"run_dir={tmp_path / 'fold0'}", f"calibration.runs=[{folds}]", "threshold.image_rate=0.1"),
            *(*GRID, "select=oracle", "name=chosen"),
        )
    )
    own = [Scored.open(tmp_path / f"fold{i}", compose_evaluate("run_dir=x")) for i in range(3)]
    for fold in own:
        fold.set(Setting(grid["k"], grid["n"], grid["t"]), None)
    normals = pooled(own, own[0])
    own[0].maps()
    scores = image_scores(own[0].score.image_score, normals.anomaly_map, normals.content).numpy()
    assert grid["image_threshold"] == Thresholds(image_rate=0.1).image(scores).value, "of the maps that were chosen"
    with pytest.raises(ValueError, match="is held out twice; name runs of different data.fold"):
        evaluate(compose_evaluate(f"run_dir={run_dir}", f"calibration.runs=[{run_dir},{run_dir}]"))
    with pytest.raises(FileNotFoundError, match=r"calibration.root \(=.*\) is no folder"):
        evaluate(compose_evaluate(f"run_dir={run_dir}", f"calibration.root={tmp_path / 'none'}"))


def test_what_does_not_go_together_is_refused(run_dir: Path) -> None:
    both = f"ensemble=[{run_dir},{run_dir}]"
    for wrong, message in (
        (("calibration.root=a", "calibration.runs=[b]"), "exclude each other"),
        (("calibration.runs=[]",), r"calibration.runs \(=\[\]\) must name the runs"),
        ((both, *GRID), "ensemble goes with neither grid nor calibration"),
        ((both, "calibration.root=a"), "ensemble goes with neither grid nor calibration"),
        (("ensemble=[]",), r"ensemble \(=\[\]\) must name two runs or more"),
        (("ensemble=[a,b]",), r"must name two runs or more, and run_dir \(=.*\) must be one of them"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluate(compose_evaluate(f"run_dir={run_dir}", *wrong))


def test_what_was_changed_by_hand_stays_in_the_protocol(run_dir: Path) -> None:
    change = ("score/residual=ssim", *GRID, "select=validation")
    protocol = evaluate(compose_evaluate(f"run_dir={run_dir}", *change))["protocol"]
    assert protocol.startswith("validation: ")
    assert protocol.endswith("; changed after training, by whoever has seen its results: score.residual")


def test_the_streaming_engine_stays_within_its_bounds(run_dir: Path) -> None:
    exact = evaluate(compose_evaluate(f"run_dir={run_dir}", "name=exact"))
    streamed = evaluate(compose_evaluate(f"run_dir={run_dir}", "engine=streaming", "name=streamed"))
    assert (exact["engine"], streamed["engine"]) == ("exact", "streaming")
    names = [key.removesuffix("_error") for key in streamed if key.endswith("_error")]
    assert {"pixel_auroc", "pixel_average_precision", "pixel_best_f1"} <= set(names)
    assert any(name.startswith("aupro_0.3") for name in names)
    for key in streamed:
        if "_error" in key:
            name = key.replace("_error", "")
            assert abs(streamed[name] - exact[name]) <= streamed[key] + 1e-9
    with pytest.raises(ValueError, match=r"engine \(='fast'\) must be exact"):
        evaluate(compose_evaluate(f"run_dir={run_dir}", "engine=fast"))


def test_a_run_of_another_version_is_refused_with_the_commit_that_reads_it(run_dir: Path) -> None:
    """As runs of before the classes moved: their loggers lay in fae.logger."""
    config, origin = OmegaConf.load(run_dir / "config.yaml"), json.loads((run_dir / "origin.json").read_text())
    config.logger._target_ = "fae.logger.ResumableWandbLogger"
    OmegaConf.save(config, run_dir / "config.yaml")
    for commits, words in ((["a9aaa7a"], "commit a9aaa7a"), ([None], "the version that trained it")):
        (run_dir / "origin.json").write_text(json.dumps(origin | {"git_commits": commits}))
        remedy = f"Read the run with {words}, or train it again"
        message = f"its class fae.logger.ResumableWandbLogger does not exist here. {remedy}"
        with pytest.raises(ValueError, match=message):
            evaluate(compose_evaluate(f"run_dir={run_dir}"))
        with pytest.raises(ValueError, match=message):
            load(run_dir)


def test_a_run_from_before_a_key_was_there_is_read_on(run_dir: Path, tiny: Path) -> None:
    before = evaluate(compose_evaluate(f"run_dir={run_dir}"))
    image = next((tiny / "test/square").iterdir())
    score = load(run_dir)(image).score
    config = OmegaConf.load(run_dir / "config.yaml")
    for key in ("bit_depth", "pages", "group", "twins"):
        del config.data[key]
    OmegaConf.save(config, run_dir / "config.yaml")
    after = evaluate(compose_evaluate(f"run_dir={run_dir}", "name=again"))
    assert after["image_auroc"] == before["image_auroc"]
    assert load(run_dir)(image).score == score


def test_nan_in_a_map_names_the_image(run_dir: Path) -> None:
    evaluate(compose_evaluate(f"run_dir={run_dir}"))
    (path,) = (run_dir / "evaluation").glob("levels-*.npz")
    kept = dict(np.load(path))
    kept["test"][3, 0, 5, 5] = np.nan
    np.savez(path, **kept)
    with pytest.raises(ValueError, match=r"the map of .*003.png holds NaN"):
        evaluate(compose_evaluate(f"run_dir={run_dir}"))


def test_constant_maps_are_scored(run_dir: Path) -> None:
    evaluate(compose_evaluate(f"run_dir={run_dir}"))
    (path,) = (run_dir / "evaluation").glob("levels-*.npz")
    np.savez(path, **{name: np.full_like(values, 0.25) for name, values in np.load(path).items()})
    metrics = evaluate(compose_evaluate(f"run_dir={run_dir}"))
    assert metrics["pixel_auroc"] == metrics["image_auroc"] == 0.5
    assert metrics["aupro_0.3"] == pytest.approx(0.15)
