"""A run that goes on from a finished one."""

import csv
import json
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from PIL import Image

import fae
from fae.cli.schema import conf_dir, register
from fae.run.folder import METRICS
from fae.run.parent import continued
from fae.train import train as start
from tests.conftest import once, textured, write_tiny
from tests.processes import Done, Forked
from tests.test_train import At, assert_equal_runs

WORDS = (
    *("experiment=quick", "data=folder", "category=generic", "model.width=4", "data.image_size=32"),
    *("data.batch_size=4", "trainer.max_steps=12", "trainer.val_check_interval=4", "trainer.accelerator=cpu"),
    *("trainer.enable_progress_bar=false", "~callback.progress", "pictures=2", "threshold.image_rate=0.4"),
)
FEATURES = (
    *("experiment=features", "data=folder", "category=generic", "data.image_size=32", "data.batch_size=4"),
    *(
        "model.inner=16",
        "model.width=8",
        "model.blocks=1",
        "head.members.nearest.most=64",
        "head.members.residual.width=8",
    ),
    *("trainer.max_steps=2", "trainer.val_check_interval=1"),
    *("trainer.accelerator=cpu", "trainer.enable_progress_bar=false", "~callback.progress", "pictures=2"),
)


@pytest.fixture(autouse=True)
def _registered() -> None:
    register()


def write_extra(folder: Path, count: int = 6, seed: int = 5) -> Path:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for i in range(count):
        Image.fromarray(255 - textured(rng)).save(folder / f"{i}.png")
    return folder


def train(forked: Forked, *words: str) -> Done:
    return forked.command("fae.train", *words)


def metrics_of(run_dir: Path) -> dict[str, Any]:
    return dict(json.loads((run_dir / METRICS).read_text()))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, forked: Forked) -> Path:
    """A parent, its child, which learns from six images of another kind, and a grandchild with two more."""

    def make(base: Path) -> None:
        write_tiny(base / "tiny")
        write_extra(base / "extra")
        write_extra(base / "more", 3, seed=6)
        for words in (
            (*WORDS, f"data.root={base / 'tiny'}", f"run_dir={base / 'parent'}"),
            (f"continue_from={base / 'parent'}", f"data.extra={base / 'extra'}", f"run_dir={base / 'child'}"),
            (f"continue_from={base / 'child'}", f"data.extra={base / 'more'}", f"run_dir={base / 'grandchild'}"),
        ):
            done = train(forked, *words)
            assert done.returncode == 0, done.stderr

    return once(tmp_path_factory, "continued", make)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return dict(torch.load(path, weights_only=True)["state_dict"])


def test_a_run_goes_on_with_new_images(runs: Path) -> None:
    parent, child = (OmegaConf.load(runs / name / "config.yaml") for name in ("parent", "child"))
    assert child.continue_from == str(runs / "parent")
    assert child.data.extra == [str(runs / "extra")]
    for part in ("space", "model", "objective", "corruption", "score", "optimizer", "trainer", "threshold"):
        assert child[part] == parent[part]
    old, new = metrics_of(runs / "parent"), metrics_of(runs / "child")
    assert new["parent"] == "parent"
    assert new["train_images"] + new["val_images"] == old["train_images"] + old["val_images"] + 6
    assert new["val_images"] == old["val_images"] + 2, "a share of the new images is held out"
    assert new["test_images"] == old["test_images"]
    assert new["image_threshold"] != old["image_threshold"]
    assert {f"parent_{key}" for key in ("image_auroc", "pixel_auroc", "image_false_alarms")} <= new.keys()
    assert all(new[key] == old[key.removeprefix("parent_")] for key in new if key.startswith("parent_"))


def test_scores_stand_side_by_side(runs: Path) -> None:
    old, new = (
        list(csv.DictReader((runs / name / "scores.csv").read_text().splitlines())) for name in ("parent", "child")
    )
    assert [row["parent_score"] for row in new] == [row["score"] for row in old]
    assert [row["parent_anomaly_percent"] for row in new] == [row["anomaly_percent"] for row in old]
    assert [row["path"] for row in new] == [row["path"] for row in old]
    assert "parent_score" not in old[0]


def test_training_begins_with_the_weights_of_the_parent(runs: Path, tmp_path: Path, forked: Forked) -> None:
    """They stay as they are where the learning rate is zero."""
    words = (f"continue_from={runs / 'parent'}", "optimizer.lr=0", "trainer.max_steps=4", f"run_dir={tmp_path / 'run'}")
    assert train(forked, *words).returncode == 0
    best, found = weights(runs / "parent" / "best.ckpt"), weights(tmp_path / "run" / "last.ckpt")
    learned = [key for key in best if key.endswith((".weight", ".bias")) and "running" not in key]
    assert learned
    assert all(torch.equal(best[key], found[key]) for key in learned)


def test_a_grandchild_learns_from_all_folders(runs: Path) -> None:
    config, metrics = OmegaConf.load(runs / "grandchild" / "config.yaml"), metrics_of(runs / "grandchild")
    assert config.data.extra == [str(runs / "extra"), str(runs / "more")]
    assert config.continue_from == str(runs / "child")
    assert metrics["train_images"] + metrics["val_images"] == 12 + 6 + 3
    assert metrics["parent"] == "child"


def test_the_new_run_can_be_used_like_any(runs: Path, tmp_path: Path, forked: Forked) -> None:
    detector = fae.load(runs / "child")
    assert detector(runs / "tiny" / "test" / "square" / "000.png").anomalous in (True, False)
    again = forked.command("fae.evaluate", f"run_dir={runs / 'child'}", "name=again")
    assert again.returncode == 0, again.stderr
    moved = shutil.copytree(runs / "extra", tmp_path / "moved")
    done = forked.command("fae.evaluate", f"run_dir={runs / 'child'}", "name=moved", f"data.extra={moved}")
    assert done.returncode == 0, done.stderr


def test_the_recorded_words_make_the_run_again(runs: Path, tmp_path: Path, forked: Forked) -> None:
    words = [word for word in metrics_of(runs / "child")["overrides"] if not word.startswith("run_dir=")]
    done = train(forked, *words, f"run_dir={tmp_path / 'child'}")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "child" / "scores.csv").read_bytes() == (runs / "child" / "scores.csv").read_bytes()


def compose_continued(*words: str) -> DictConfig:
    every = continued(words)
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        return compose("train", every)


def test_a_child_that_was_stopped_equals_an_uninterrupted_one(runs: Path, tmp_path: Path) -> None:
    words = (f"continue_from={runs / 'parent'}", f"data.extra={runs / 'extra'}")
    cfg = compose_continued(*words, f"run_dir={tmp_path / 'child'}")
    with pytest.raises(SystemExit):
        start(cfg.copy(), watching=[At(7, lambda: signal.raise_signal(signal.SIGTERM))])
    assert torch.load(tmp_path / "child" / "last.ckpt", weights_only=True)["global_step"] == 7
    start(cfg)
    assert_equal_runs(tmp_path / "child", runs / "child")


def test_what_the_parent_knows_is_read_before_training(runs: Path, tmp_path: Path) -> None:
    """A parent without its table of scores is gone on from all the same; its columns are then empty."""
    shutil.copytree(runs / "parent", tmp_path / "parent")
    (tmp_path / "parent" / "scores.csv").unlink()
    words = (f"continue_from={tmp_path / 'parent'}", "trainer.max_steps=4", f"run_dir={tmp_path / 'child'}")
    metrics = start(compose_continued(*words))
    assert metrics["parent_image_auroc"] == metrics_of(runs / "parent")["image_auroc"]
    rows = list(csv.DictReader((tmp_path / "child" / "scores.csv").read_text().splitlines()))
    assert {row["parent_score"] for row in rows} == {""}
    for name in ("best.ckpt", "last.ckpt"):
        (tmp_path / "parent" / name).unlink()
    with pytest.raises(ValueError, match="has no weights: .* holds neither best.ckpt nor last.ckpt"):
        start(compose_continued(*words[:2], f"run_dir={tmp_path / 'other'}"))
    assert not (tmp_path / "other").exists()


def test_folders_of_the_parent_that_have_moved(runs: Path, tmp_path: Path) -> None:
    """The folder at its new place stands for the one that is gone; another one does not."""
    shutil.copytree(runs / "child", tmp_path / "child")
    config = OmegaConf.load(tmp_path / "child" / "config.yaml")
    config.data.extra = [str(tmp_path / "gone")]
    OmegaConf.save(config, tmp_path / "child" / "config.yaml")
    words = (f"continue_from={tmp_path / 'child'}", "trainer.max_steps=4", f"run_dir={tmp_path / 'run'}")
    cfg = compose_continued(*words, f"data.extra=[{runs / 'extra'},{runs / 'more'}]")
    assert cfg.data.extra == [str(runs / "extra"), str(runs / "more")]
    assert start(cfg)["parent"] == "child"
    other = compose_continued(*words[:2], f"data.extra={runs / 'more'}", f"run_dir={tmp_path / 'other'}")
    with pytest.raises(ValueError, match="was trained on other images than those of data.root and data.extra now"):
        start(other)


def test_the_memory_looks_at_the_new_images(tmp_path: Path, forked: Forked) -> None:
    """Statistics of the features stay the parent's, to which the weights belong; remembered cells are chosen anew."""
    write_tiny(tmp_path / "tiny")
    write_extra(tmp_path / "extra")
    one = train(forked, *FEATURES, f"data.root={tmp_path / 'tiny'}", f"run_dir={tmp_path / 'one'}")
    assert one.returncode == 0, one.stderr
    words = (f"continue_from={tmp_path / 'one'}", f"data.extra={tmp_path / 'extra'}", f"run_dir={tmp_path / 'two'}")
    two = train(forked, *words)
    assert two.returncode == 0, two.stderr
    old, new = (weights(tmp_path / name / "last.ckpt") for name in ("one", "two"))
    banks = [key for key in old if key.endswith("bank")]
    statistics = [key for key in old if key.startswith("network.space") and not key.endswith("num_batches_tracked")]
    assert banks
    assert statistics
    assert not any(torch.equal(old[key], new[key]) for key in banks)
    assert all(torch.equal(old[key], new[key]) for key in statistics)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["continue_from={base}/none"], "continue_from (={base}/none) names no run to go on from"),
        (["continue_from={base}/tiny"], "is no run of fae.train"),
        (["continue_from={base}/parent", "seed=1"], "data.seed (=1) was 0 in continue_from"),
        (["continue_from={base}/parent", "data.val_fraction=0.5"], "data.val_fraction (=0.5) was 0.05"),
        (["continue_from={base}/parent", "model.width=8"], "leave out the words that change space, model or head"),
        (
            ["continue_from={base}/parent", "data.root={own}/other"],
            "was trained on other images than those of data.root",
        ),
        (["continue_from={base}/parent", "data.extra={base}/none"], "data.extra (={base}/none) is no folder"),
        (["continue_from={base}/parent", "run_dir={base}/parent"], "belongs to another configuration"),
        (["-m", "continue_from={base}/parent,{base}/child"], "must have one value; begin one command for each"),
    ],
    ids=lambda value: " ".join(value).replace("{base}/", "") if isinstance(value, list) else None,
)
def test_what_cannot_go_on(words: list[str], message: str, runs: Path, tmp_path: Path, forked: Forked) -> None:
    if any("other" in word for word in words):
        write_tiny(tmp_path / "other", seed=7)
    given = [word.format(base=runs, own=tmp_path) for word in words]
    if not any(word.startswith("run_dir=") for word in given) and "-m" not in given:
        given.append(f"run_dir={tmp_path / 'run'}")
    done = train(forked, *given)
    assert done.returncode == 1
    assert message.format(base=runs) in done.stderr
    assert not (tmp_path / "run").exists()


def test_words_of_the_command_line_replace_those_of_the_run(runs: Path) -> None:
    words = [f"continue_from={runs / 'parent'}", "model.width=8", "experiment=quick", "~callback.progress"]
    found = continued(words)
    assert found[-len(words) :] == words
    assert "data.image_size=32" in found
    assert len({word.lstrip("~").partition("=")[0] for word in found}) == len(found)
    assert not any(word.startswith("run_dir=") for word in found)
    assert continued(["seed=1"]) == ["seed=1"]
    assert continued(["continue_from=null"]) == ["continue_from=null"]


def test_leaves_of_the_users_own(runs: Path, tmp_path: Path, forked: Forked) -> None:
    """The run that goes on finds them where the first one did."""
    leaf = tmp_path / "conf" / "objective" / "mine.yaml"
    leaf.parent.mkdir(parents=True)
    leaf.write_text("_target_: fae.objective.filter.Filter\nlam: 0.25\n")
    words = ("--config-dir", str(tmp_path / "conf"), "objective=mine", *WORDS, f"data.root={runs / 'tiny'}")
    assert train(forked, *words, f"run_dir={tmp_path / 'one'}").returncode == 0
    done = train(forked, f"continue_from={tmp_path / 'one'}", f"run_dir={tmp_path / 'two'}")
    assert done.returncode == 0, done.stderr
    assert metrics_of(tmp_path / "two")["lam"] == 0.25


def test_a_run_whose_words_do_not_make_it(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "parent", tmp_path / "parent")
    config = OmegaConf.load(tmp_path / "parent" / "config.yaml")
    config.model.width = 12
    OmegaConf.save(config, tmp_path / "parent" / "config.yaml")
    with pytest.raises(ValueError, match=r"does not make its configuration: model.width 12 → 4; train it again"):
        continued([f"continue_from={tmp_path / 'parent'}"])


def test_the_report_shows_both_side_by_side(runs: Path, tmp_path: Path, forked: Forked) -> None:
    sweep = tmp_path / "sweep"
    for name in ("parent", "child"):
        shutil.copytree(runs / name, sweep / name)
    done = forked.command("fae.report", f"sweep_dir={sweep}")
    assert done.returncode == 0, done.stderr
    old, new = metrics_of(runs / "parent"), metrics_of(runs / "child")
    page = (sweep / "report.html").read_text(encoding="utf-8")
    section = page.partition('<section id="continued">')[2].partition("</section>")[0]
    assert section.count("<h3>") == 1, "the parent itself goes on from nothing"
    assert ">child</a>, from parent" in section
    for key in ("image_auroc", "pixel_auroc", "image_threshold", "pixel_detections"):
        before, after = old[key], new[key]
        change = f"{after - before:+.4f}".replace("-", "−")
        cells = "".join(f'<td class="number">{text}</td>' for text in (f"{before:.4f}", f"{after:.4f}", change))
        assert cells in section
    assert "score before, in per cent" in section
    assert "square\\u002f000.png" in section.replace("/", "\\u002f")
    (sweep / "child" / "scores.csv").write_text("path\n")
    assert forked.command("fae.report", f"sweep_dir={sweep}").returncode == 0
    assert "from parent" in (sweep / "report.html").read_text(encoding="utf-8")
    shutil.rmtree(sweep / "child")
    assert forked.command("fae.report", f"sweep_dir={sweep}").returncode == 0
    assert 'id="continued"' not in (sweep / "report.html").read_text(encoding="utf-8")
