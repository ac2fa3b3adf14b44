"""The whole path in the space of features: everything that works with pixels works there, too."""

import csv
import json
import signal
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from PIL import Image

import fae
from experiments.features import along, latency, parts, table
from experiments.theory import orthogonality
from fae.cli.command import explain
from fae.evaluate import evaluate
from fae.predict import predict
from fae.train import main, train
from tests.conftest import compose_command, compose_tiny, moved, once, write_tiny
from tests.space.test_space import Backbone
from tests.test_train import At, assert_equal_runs

SMALL = (
    *("model.inner=16", "model.width=8", "model.blocks=1"),
    *("head.members.residual.width=8", "head.members.nearest.most=64"),
)


def compose_features(data: Path, run_dir: Path, *overrides: str, model: tuple[str, ...] = SMALL) -> DictConfig:
    """Compose a run of twelve steps in the space of features on a tiny data set."""
    words = [
        *("experiment=features", "data=folder", "category=generic", *model, "data.image_size=32", "data.batch_size=4"),
        *("trainer.max_steps=12", "trainer.accelerator=cpu", "trainer.val_check_interval=4"),
        *("callback.last.every_n_steps=100", "trainer.log_every_n_steps=1", "trainer.precision=32-true"),
        *("trainer.enable_progress_bar=false", "~callback.progress", "pictures=2"),
    ]
    cfg = compose_command("train", *words, *overrides)
    cfg.data.root, cfg.run_dir = str(data), str(run_dir)
    return cfg


def compose_evaluate(*overrides: str) -> DictConfig:
    return compose_command("evaluate", *overrides)


@pytest.fixture(scope="session")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run in the space of features, to look at."""
    return (
        once(
            tmp_path_factory, "features", lambda root: train(compose_features(write_tiny(root / "tiny"), root / "run"))
        )
        / "run"
    )


def test_metrics_tell_of_the_space_and_of_each_level(features: Path) -> None:
    metrics = json.loads((features / "metrics.json").read_text())
    assert (metrics["space"], metrics["head"]) == ("lite0", "residual_nearest")
    for level in ("image", "stride4", "stride8", "stride16", "head", "nearest"):
        assert 0 <= metrics[f"image_auroc_of_{level}"] <= 1
        assert 0 <= metrics[f"pixel_auroc_of_{level}"] <= 1
    assert 0 <= metrics["unseen_pixel_auroc"] <= 1
    with Image.open(next((features / "heatmaps").glob("*.png"))) as picture:
        assert picture.width == 6 * 256 + 5 * 4  # image, reconstruction, map and overlay; below them six levels
        assert picture.height > 2 * 256


def test_a_detector_scores_as_the_run_did(features: Path) -> None:
    detector = fae.load(features)
    with (features / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        assert detector(row["path"]).score == pytest.approx(float(row["score"]), rel=1e-3)
    found = detector(rows[0]["path"])
    assert found.anomaly_map.shape == (32, 32)


def test_evaluate_reproduces_the_numbers_without_the_network(features: Path, tmp_path: Path) -> None:
    run = moved(features, tmp_path)
    trained = json.loads((run / "metrics.json").read_text())
    again = evaluate(compose_evaluate(f"run_dir={run}"))
    assert {key: trained[key] for key in again} == again
    first, second = (
        torch.load(p, weights_only=True) for p in (run / "detector.pt", *(run / "evaluation").glob("*.pt"))
    )
    for state in (first, second):
        state["rule"] = state["rule"].tolist()
    assert first == second
    other = evaluate(compose_evaluate(f"run_dir={run}", "score/rule=total", "score.k=5"))
    assert (other["rule"], other["k"]) == ("total", 5)
    chosen = evaluate(
        compose_evaluate(
            f"run_dir={run}", "grid=default", "grid.k=[3,9]", "grid.n=[1]", "grid.t=[0]", "select=validation"
        )
    )
    assert chosen["k"] in (3, 9)


def test_an_ensemble_of_spaces(features: Path, tmp_path: Path) -> None:
    """Maps have the size of the images, so that runs of different spaces go together."""
    run = moved(features, tmp_path)
    train(compose_tiny(run.parent / "tiny", run.parent / "pixels", "trainer.max_steps=2"))
    ensemble = f"ensemble=[{run},{run.parent / 'pixels'}]"
    metrics = evaluate(compose_evaluate(f"run_dir={run}", ensemble, "ensemble_scale=validation"))
    assert 0 <= metrics["image_auroc"] <= 1


@pytest.mark.parametrize("step", [2, 4])
def test_stopped_and_resumed_equals_uninterrupted(step: int, features: Path, tmp_path: Path) -> None:
    """The statistics of the channels come from the checkpoint."""
    data, run = features.parent / "tiny", tmp_path / "stopped"
    with pytest.raises(SystemExit):
        train(compose_features(data, run), watching=[At(step, lambda: signal.raise_signal(signal.SIGINT))])
    train(compose_features(data, run))
    assert_equal_runs(features, run)


def test_files_of_any_size_are_scored(features: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for size in ((32, 32), (40, 56), (16, 16)):
        Image.fromarray(np.full((*size, 3), 99, np.uint8)).save(pictures / f"{size[0]}.png")
    words = [f"run_dir={features}", f"input={pictures}"]
    assert predict(compose_command("predict", *words, f"output={tmp_path / 'run'}")) == 0
    assert predict(compose_command("predict", *words, f"output={tmp_path / 'native'}", "size=native")) == 1
    with (tmp_path / "native" / "predictions.csv").open(newline="") as file:
        errors = {Path(row["path"]).name: row["error"] for row in csv.DictReader(file)}
    assert "images of 16×16 pixels are too small for features, which need 32 px" in errors.pop("16.png")
    assert set(errors.values()) == {""}


def test_tiles_are_refused(features: Path) -> None:
    for overlap in (None, 8):
        with pytest.raises(ValueError, match=r"tile \(=16\) would change the features of space=lite0"):
            fae.load(features, tile=16, overlap=overlap)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["score/residual=ssim"], "score/residual=ssim compares images, not features of 24 channels; use"),
        (["score/residual=darker"], "score/residual=darker compares images, not features of 24 channels; use"),
        (
            ["model=sdc"],
            "the model SDCAutoencoder does not take the 179 channels of space=lite0; use model=residual_sdc",
        ),
        (
            ["space=pixel", "model=residual_sdc", "model.channels=5"],
            "ResidualSDC does not take the 3 channels of space=pixel",
        ),
        (["data.crop_sizes=[16,32]"], "images of 16×16 pixels are too small for features, which need 32 px"),
        (
            ["space.channels=100"],
            r"channels (=100) must be 3 for the image and those of the feature maps, 3 + 24 + 40 + 112",
        ),
        (["space.backbone.variant=5"], "variant (=5) must be 0, 1 or 2"),
    ],
)
def test_what_does_not_go_together_is_refused_before_training(
    words: list[str], message: str, images: Path, tmp_path: Path
) -> None:
    with pytest.raises(Exception) as refused:  # noqa: PT011 - Hydra wraps what a leaf raises
        train(compose_features(images, tmp_path / "run", *words, model=()))
    assert message in explain(refused.value)
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_without_statistics_is_refused(features: Path, tmp_path: Path) -> None:
    run = moved(features, tmp_path)
    for name in ("best.ckpt", "last.ckpt"):
        checkpoint = torch.load(run / name, weights_only=True)
        del checkpoint["state_dict"]["network.space.scale"]
        torch.save(checkpoint, run / name)
    with pytest.raises(ValueError, match="holds no weights for the network of this run"):
        evaluate(compose_evaluate(f"run_dir={run}"))


def test_a_run_of_before_spaces_is_refused(features: Path, tmp_path: Path) -> None:
    run = moved(features, tmp_path)
    config = run / "config.yaml"
    lines = config.read_text().splitlines()
    start = lines.index("space:")
    end = next(i for i in range(start + 1, len(lines)) if not lines[i].startswith(" "))
    config.write_text("\n".join(lines[:start] + lines[end:]))
    with pytest.raises(ValueError, match="is a run of another version; it names no space. Read the run with"):
        fae.load(run)


def test_a_head_in_the_space_of_pixels(tiny: Path, tmp_path: Path, unpainted: None) -> None:
    cfg = compose_tiny(tiny, tmp_path / "run", "head=residual", "head.width=4", "trainer.max_steps=4")
    metrics = train(cfg)
    assert (metrics["space"], metrics["head"]) == ("pixel", "residual")
    assert {"image_auroc_of_pixel", "image_auroc_of_head"} <= metrics.keys()
    assert fae.load(tmp_path / "run", tile=16)(np.full((32, 32, 3), 99, np.uint8)).score >= 0


def test_validation_by_kinds_that_training_left_out(tiny: Path, tmp_path: Path, unpainted: None) -> None:
    """The damage of validation is another one, and the steps are the same."""
    found = []
    for name, words in (("same", ()), ("other", ("data.val_damage=${unseen}",))):
        train(
            compose_tiny(
                tiny,
                tmp_path / name,
                "data.crop_sizes=[32]",
                "trainer.max_steps=2",
                "trainer.val_check_interval=1",
                *words,
            )
        )
        found.append(torch.load(tmp_path / name / "last.ckpt", weights_only=True))
    assert all(torch.equal(found[0]["state_dict"][key], found[1]["state_dict"][key]) for key in found[0]["state_dict"])
    losses = [[entry for entry in state["history"] if "val/loss" in str(entry)] for state in found]
    assert losses[0]
    assert losses[0] != losses[1]


def test_your_own_network(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch, unpainted: None) -> None:
    """As docs/features.md says: a leaf, a class and a file of weights, outside the package."""
    own = tmp_path / "own"
    (own / "conf" / "space").mkdir(parents=True)
    text = Path(fae.__file__).parents[1].joinpath("docs", "features.md").read_text(encoding="utf-8")
    leaf = text.split("```yaml\n")[1].split("```")[0].replace("mine.Backbone", "tests.space.test_space.Backbone")
    leaf = leaf.replace("weights.pt", str(own / "weights.pt")).replace("channels: 123", "channels: 15")
    (own / "conf" / "space" / "mine.yaml").write_text(leaf)
    torch.save(Backbone().state_dict(), own / "weights.pt")
    words = ["experiment=features", "space=mine", "data=folder", "category=generic", f"data.root={tiny}", *SMALL]
    words += ["data.image_size=32", "trainer.max_steps=2", "trainer.val_check_interval=2", "trainer.accelerator=cpu"]
    words += ["trainer.enable_progress_bar=false", "~callback.progress", f"run_dir={tmp_path / 'run'}", "pictures=1"]
    words += ["trainer.log_every_n_steps=1"]
    monkeypatch.setattr("sys.argv", ["fae.train", "--config-dir", str(own / "conf"), *words])
    main()
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["space"] == "mine"
    assert {"image_auroc_of_stride4", "image_auroc_of_stride16"} <= metrics.keys()
    assert fae.load(tmp_path / "run")(np.full((32, 32, 3), 99, np.uint8)).score >= 0


def test_figure_9_in_the_space_of_features(features: Path, tmp_path: Path) -> None:
    """F is the identity before training, so that what is nearest to X̂ is nearest to F(X̂)."""
    orthogonality.main([str(features), "--repeats", "1", "--out", str(tmp_path)])
    table = pd.read_csv(tmp_path / "orthogonality.csv")
    assert set(table["space"]) == {"lite0"}
    assert (table[table["width"] == 0]["nearest_to_damaged"] == 1).all()
    untrained = table[table["network"] == "untrained"]
    assert (untrained["nearest_to_output"] == untrained["nearest_to_damaged"]).all()


def test_the_time_of_one_image_beside_a_memory(features: Path, tmp_path: Path) -> None:
    """Every candidate is timed; a bank of no use to a test of times may be tiny."""
    latency.main([str(features), "--images", "10", "20", "--seconds", "0", "--out", str(tmp_path / "latency")])
    table = pd.read_csv(tmp_path / "latency.csv")
    assert set(table["candidate"]) >= {latency.DETECTOR, latency.PRODUCT}
    assert set(table[table["candidate"] == latency.PRODUCT]["images"]) == {10, 20}
    assert (table["median_ms"] > 0).all()
    assert cv2.imread(str(tmp_path / "latency.png")) is not None


def test_the_table_of_runs_and_memories(features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metrics = json.loads((features / "metrics.json").read_text())
    rival = {"rival": "patchcore", "dataset": metrics["dataset"], "seed": 0, "image_auroc": 0.5, "pixel_auroc": 0.25}
    statistics = {key: value for key, value in metrics.items() if key.startswith("trivial_")}
    (tmp_path / "memories").mkdir()
    (tmp_path / "memories" / "a.json").write_text(json.dumps(rival | statistics))
    out = tmp_path / "results.csv"
    table.main([str(features), "--memories", str(tmp_path / "memories"), "--out", str(out)])
    found = pd.read_csv(out).set_index("method")
    assert list(found.index) == ["lite0 filter residual_nearest", "patchcore", "without learning"]
    assert found.loc["lite0 filter residual_nearest", "image_auroc"] == pytest.approx(metrics["image_auroc"], abs=1e-3)
    assert "0.500, 0.250" in capsys.readouterr().out.splitlines()[-1]


def test_a_part_of_the_rule_is_measured_as_a_run_is(
    features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the run's own sums its own figures come out; without head and memory there are others."""
    metrics = json.loads((features / "metrics.json").read_text())
    found = {}
    own = OmegaConf.to_container(OmegaConf.load(features / "config.yaml").score.rule.sums)
    for name, sums in (("own", own), ("part", parts.SUMS)):
        monkeypatch.setattr(parts, "SUMS", sums)
        parts.main([str(features), "--out", str(tmp_path / f"{name}.csv")])
        found[name] = pd.read_csv(tmp_path / f"{name}.csv").iloc[0]
    for measure in ("image_auroc", "pixel_auroc"):
        assert found["own"][measure] == pytest.approx(metrics[measure], abs=1e-3)
    assert found["part"]["pixel_auroc"] != found["own"]["pixel_auroc"]


def test_auroc_is_drawn_against_seconds(tmp_path: Path) -> None:
    usual = {"dataset": "folder:tire", "seed": 0, "trivial_image_auroc": 0.6, "trivial_pixel_auroc": 0.7}
    for name, space, seconds in (("b", "lite0", 80.0), ("a", "lite0", 40.0), ("c", "pixel", 20.0)):
        (tmp_path / name).mkdir()
        facts = {"space": space, "steps": int(seconds), "seconds": seconds, "image_auroc": 0.9, "pixel_auroc": 0.95}
        (tmp_path / name / "metrics.json").write_text(json.dumps(usual | facts))
    along.main([*(str(tmp_path / name) for name in "bac"), "--out", str(tmp_path)])
    assert pd.read_csv(tmp_path / "along.csv")["seconds"].tolist() == [40, 80, 20]
    assert cv2.imread(str(tmp_path / "along.png")) is not None
