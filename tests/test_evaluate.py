import json
import shutil
from collections.abc import Callable
from pathlib import Path

import lightning
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.errors import InstantiationException
from omegaconf import DictConfig

from fae.config import conf_dir, register
from fae.evaluate import evaluate
from fae.train import train

Build = Callable[..., DictConfig]


def compose_evaluate(*overrides: str) -> DictConfig:
    register()
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        return compose("evaluate", list(overrides))


@pytest.fixture
def run_dir(tiny_config: Build, tmp_path: Path) -> Path:
    train(tiny_config("run", "category.t=100"))
    return tmp_path / "run"


def test_reproduces_the_numbers_of_training_and_leaves_them_alone(run_dir: Path) -> None:
    before = (run_dir / "metrics.json").read_bytes()
    trained = json.loads(before)
    metrics = evaluate(compose_evaluate(f"run_dir={run_dir}"))
    of_training = {"overrides", "steps", "seconds"}
    assert metrics == {key: value for key, value in trained.items() if key not in of_training}
    assert (run_dir / "metrics.json").read_bytes() == before
    (written,) = (run_dir / "evaluation").glob("*.json")
    assert json.loads(written.read_text()) == metrics
    assert written.stem == "squared-k5-n2-t100-contrast0.01"


def test_every_key_counts_and_the_network_runs_once(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = evaluate(compose_evaluate(f"run_dir={run_dir}"))
    calls = 0
    predict = lightning.Trainer.predict

    def counted(self: lightning.Trainer, *args: object, **kwargs: object) -> object:
        nonlocal calls
        calls += 1
        return predict(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(lightning.Trainer, "predict", counted)
    for change in ("score.k=7", "score.n=0", "score.t=0", "score/image_score=sum"):
        metrics = evaluate(compose_evaluate(f"run_dir={run_dir}", change))
        key = change.split("=")[0].split("/")[-1].removeprefix("score.")
        assert metrics[key] != first[key]
        assert (metrics["pixel_auroc"], metrics["image_auroc"]) != (first["pixel_auroc"], first["image_auroc"])
    assert calls == 0
    ssim = evaluate(compose_evaluate(f"run_dir={run_dir}", "score.residual=ssim", "name=mine"))
    assert calls == 1
    assert ssim["pixel_auroc"] != first["pixel_auroc"]
    assert json.loads((run_dir / "evaluation" / "mine.json").read_text()) == ssim
    # Other weights, other residuals.
    checkpoint = torch.load(run_dir / "best.ckpt", weights_only=True)
    checkpoint["state_dict"]["model.decoder.9.bias"] += 1
    torch.save(checkpoint, run_dir / "best.ckpt")
    assert evaluate(compose_evaluate(f"run_dir={run_dir}"))["pixel_auroc"] != first["pixel_auroc"]
    assert calls == 2


def test_images_that_have_moved(run_dir: Path, tiny: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "tiny"
    shutil.copytree(tiny, moved)
    shutil.rmtree(tiny)
    with pytest.raises(FileNotFoundError, match="is no folder"):
        evaluate(compose_evaluate(f"run_dir={run_dir}"))
    metrics = evaluate(compose_evaluate(f"run_dir={run_dir}", f"data.root={moved}"))
    assert metrics["pixel_auroc"] == json.loads((run_dir / "metrics.json").read_text())["pixel_auroc"]
    (moved / "test" / "good" / "000.png").unlink()
    with pytest.raises(ValueError, match="begun on other images .* data.root where its images lie"):
        evaluate(compose_evaluate(f"run_dir={run_dir}", f"data.root={moved}"))


def test_what_is_no_finished_run(run_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is no run of fae.train: it holds no config.yaml"):
        evaluate(compose_evaluate(f"run_dir={tmp_path / 'nowhere'}"))
    best = torch.load(run_dir / "best.ckpt", weights_only=True)
    del best["state_dict"]["model.decoder.9.bias"]
    torch.save(best, run_dir / "best.ckpt")
    with pytest.raises(ValueError, match=r"best.ckpt holds no weights for the network of this run \(.*; train it"):
        evaluate(compose_evaluate(f"run_dir={run_dir}"))
    (run_dir / "best.ckpt").write_bytes(b"no checkpoint at all")
    with pytest.raises(ValueError, match=r"best.ckpt holds no weights"):
        evaluate(compose_evaluate(f"run_dir={run_dir}"))
    for name in ("best.ckpt", "last.ckpt"):
        (run_dir / name).unlink()
    with pytest.raises(FileNotFoundError, match=r"last.ckpt"):
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
        ("name=../metrics", r"name \(=../metrics\) must be a file's name, without a folder"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluate(compose_evaluate(f"run_dir={run_dir}", wrong))
    with pytest.raises(InstantiationException, match=r"k \(=4\) must be odd"):
        evaluate(compose_evaluate(f"run_dir={run_dir}", "score.k=4"))
    with pytest.raises(InstantiationException, match=r"residual \(='cubed'\) must be one of"):
        evaluate(compose_evaluate(f"run_dir={run_dir}", "score.residual=cubed"))
