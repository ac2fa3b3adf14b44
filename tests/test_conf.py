import inspect
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf

from fae.cli.check import check_leaves, nearest
from fae.cli.kinds import check_kinds
from fae.cli.schema import conf_dir
from fae.train import train
from tests.conftest import compose_train

CONF = Path(conf_dir())
MVTEC = "bottle cable capsule carpet grid hazelnut leather metal_nut pill screw tile toothbrush transistor wood zipper"


def choices(group: str) -> list[str]:
    return sorted(p.stem for p in (CONF / group).glob("*.yaml"))


def test_all_categories_exist() -> None:
    assert choices("category") == sorted([*MVTEC.split(), "generic"])


@pytest.mark.parametrize("category", choices("category"))
@pytest.mark.parametrize("experiment", [None, *choices("experiment")])
def test_composes_with_every_category(category: str, experiment: str | None) -> None:
    chosen = [f"experiment={experiment}"] if experiment else []
    cfg = compose_train(f"category={category}", *chosen, "run_dir=x")
    check_leaves(cfg)
    check_kinds(cfg)
    assert cfg.category.name == category


LEAVES = [
    (group, choice)
    for group in (
        "data",
        "model",
        "objective",
        "corruption",
        "score",
        "threshold",
        "optimizer",
        "scheduler",
        "trainer",
        "callback",
    )
    for choice in choices(group)
    if (group, choice) != ("data", "module")
]


@pytest.mark.parametrize(("group", "choice"), LEAVES)
def test_every_leaf_instantiates(group: str, choice: str) -> None:
    cfg = compose_train(f"{group}={choice}", "run_dir=x", "model.width=2", "trainer.precision=32-true")
    check_leaves(cfg)
    check_kinds(cfg)
    extra = {"logger": False} if group == "trainer" else {}
    built = instantiate(cfg[group], **extra, _convert_="all")
    if group == "optimizer":
        built = built([torch.nn.Parameter(torch.zeros(1))])
    if group == "scheduler":
        built = built(torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=0.1))
    assert built is not None


@pytest.mark.parametrize("choice", choices("grid"))
def test_every_grid_instantiates(choice: str) -> None:
    cfg = OmegaConf.load(CONF / "grid" / f"{choice}.yaml")
    check_leaves(cfg)
    assert len(instantiate(cfg, _convert_="all")) > 0


@pytest.mark.parametrize("choice", choices("score/image_score"))
def test_every_image_score_instantiates(choice: str) -> None:
    cfg = compose_train(f"score/image_score={choice}", "run_dir=x")
    assert instantiate(cfg.score).image_score.name == choice


@pytest.mark.parametrize("choice", choices("corruption"))
def test_a_corruption_builds_from_its_file_alone(choice: str, generator: torch.Generator) -> None:
    corruption = instantiate(compose_train(f"corruption={choice}").corruption, _convert_="all")
    corrupted, mask = corruption(torch.rand(2, 3, 24, 24, generator=generator), generator)
    assert corrupted.shape == (2, 3, 24, 24)
    assert mask.shape == (2, 1, 24, 24)


@pytest.mark.parametrize(
    ("group", "choice"), [leaf for leaf in LEAVES if leaf[0] in ("model", "objective", "corruption")]
)
def test_a_leaf_names_every_argument(group: str, choice: str) -> None:
    """So that the file is the documentation of what can be set."""

    def check(node: Any) -> None:
        if not isinstance(node, DictConfig):
            return
        if "_target_" in node:
            assert {key for key in node if key != "_target_"} == set(
                inspect.signature(get_object(node._target_)).parameters
            )
        for child in node.values():
            check(child)

    check(compose_train(f"{group}={choice}")[group])


def test_run_precision_schedule_reads_max_steps() -> None:
    cfg = compose_train("trainer.max_steps=400")
    assert cfg.trainer.val_check_interval == 20
    assert cfg.data.max_steps == 400
    assert cfg.scheduler.T_max == 400


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("category=wod", "category=wod does not exist; did you mean 'wood'?"),
        ("objective=amplifi", "did you mean 'amplify'?"),
        ("objective.lamm=0.3", "unknown key objective.lamm; did you mean 'lam'?"),
        ("image_size=100", "unknown key image_size; did you mean data.image_size?"),
        ("+image_size=100", "unknown key image_size; did you mean data.image_size?"),
        ("seed=two", "Value 'two' of type 'str' could not be converted to Integer (Error merging override seed=two)"),
        ("seed", "'seed' sets nothing; write KEY=VALUE, without spaces around ="),
        ("sead=1", "unknown key sead; did you mean 'seed'?"),
        ("+sead=1", "unknown key sead; did you mean 'seed'?"),
        ("+objective.lamm=0.3", "unknown key objective.lamm; did you mean 'lam'?"),
        ("objective.lam=1.5", "lam (=1.5) must lie in [0, 1]"),
        ("score.k=4", "k (=4) must be odd; use 3 or 5"),
        ("score/residual=squarred", "score/residual=squarred does not exist; did you mean 'squared'?"),
        ("score/image_score=maximum", "score/image_score=maximum does not exist; did you mean"),
        ("corruption.content.source.root=nowhere", "unknown key corruption.content.source"),
        ("corruption/content=elastik", "did you mean 'elastic'?"),
        ("data.noise_sigma=-1", "data.noise_sigma (=-1) must be a finite number"),
        ("score.k=5.5", "k (=5.5) must be a whole number"),
        ("pictures=-1", "pictures (=-1) must not be negative"),
        ("trainer.devices=2", "trainer.devices (=2) needs trainer=ddp"),
        ("trainer.accelerator=mps", "MPSAccelerator"),
        ("seed=-1", "seed (=-1) must be a whole number from 0 to"),
        ("+trainer.max_time=00:00:00:02", "trainer.max_time (=00:00:00:02) is not supported"),
        ("trainer.max_steps=10", "change trainer.max_steps by one, or use scheduler=constant"),
        ("+trainer.accumulate_grad_batches=2", "trainer.accumulate_grad_batches (=2) must be 1"),
        ("+callback.early_stoping.patience=3", "unknown key callback.early_stoping; did you mean 'early_stopping'?"),
        ("+logger.projct=x", "unknown key logger.projct; did you mean 'project'?"),
        ("corruption.opacity=0.5", "error: corruption: opacity (=0.5) must be [smallest, largest]"),
        ("corruption.opacity=[a,b]", "error: corruption: opacity (=['a', 'b']) must be [smallest, largest]"),
        ("corruption.opacity=[0,0]", "opacity (=[0, 0]) must reach above 0"),
        ("data.noise_sigma=inf", "data.noise_sigma (=inf) must be a finite number"),
        ("data.noise_sigma=abc", "data.noise_sigma (=abc) must be a number"),
        ("corruption.content={}", "corruption.content={} changes nothing, because mappings are merged"),
        ("corruption=mixx", "corruption=mixx does not exist; did you mean 'mix'?"),
        ("corruption.opacity=[0,2]", "opacity (=[0, 2]) must be [smallest, largest] within [0, 1]"),
    ],
)
def test_wrong_words_are_explained(
    argument: str, message: str, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complain(message, argument, "data=folder", f"data.root={images}", tmp_path=tmp_path, monkeypatch=monkeypatch)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("data.root=nowhere", "data.root (=nowhere) is no folder"),
        ("category=bottle", "category (=bottle) has no synthetic twin"),
    ],
)
def test_data_that_are_not_there(argument: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    complain(message, argument, tmp_path=tmp_path, monkeypatch=monkeypatch)


def complain(message: str, *words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that a training ends with a message, and leaves nothing but the cache."""
    from fae.train import main

    monkeypatch.setattr(sys, "argv", ["fae-train", *words, "experiment=quick"])
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    with pytest.raises(SystemExit) as stopped:
        main()
    assert message in str(stopped.value.code)
    assert sorted(p.name for p in tmp_path.iterdir()) in ([], ["cache"])


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("~corruption.members", "error: corruption: members (=None) must hold at least one kind of damage"),
        ("corruption.members=null", "+corruption@corruption.members.NAME=elastic"),
        ("corruption.members={}", "corruption.members={} changes nothing, because mappings are merged"),
        ("~corruption.members.speck", "must name the members, elastic, occlusion, swap, intensity, scratch, and"),
        ("corruption.probability.speck=nan", "probability.speck (=nan) must lie in [0, 1]"),
        ("corruption.probability.speck=0.6", "sum to 1, not 1.5; lower some of the probabilities by 0.5 in all"),
    ],
)
def test_a_mix_that_cannot_be(
    argument: str, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fae.preview import main

    monkeypatch.setattr(sys, "argv", ["fae-preview", "corruption=mix", "category=generic", "data=synthetic", argument])
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    with pytest.raises(SystemExit) as stopped:
        main()
    assert message in str(stopped.value.code)


def test_every_shape_fits_every_patch_and_a_mix_grows_by_two_words() -> None:
    for kind in ("elastic", "occlusion", "intensity", "cut_out", "speck", "scratch"):
        for shape in choices("corruption/shape"):
            words = (f"corruption={kind}", f"corruption/shape={shape}")
            instantiate(compose_train(*words).corruption, _convert_="all")
    words = ("+corruption@corruption.members.zeros=cut_out", "+corruption.probability.zeros=0.1")
    mix = instantiate(compose_train("corruption=mix", *words, "corruption.probability.elastic=0.3").corruption)
    assert list(mix.members)[-1] == "zeros"


def test_an_experiment_file_cannot_hold_a_typo(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "typo.yaml").write_text("# @package _global_\nobjective: {lamm: 0.3}\n")
    result = subprocess.run(
        [sys.executable, "-m", "fae.train", "--config-dir", str(tmp_path), "experiment=typo"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert result.returncode == 1
    assert result.stderr.strip().endswith(
        "unknown key objective.lamm; did you mean 'lam'? (fae.objective.filter.Filter)"
    )
    assert "Traceback" not in result.stderr


def test_nearest_lists_names_where_nothing_is_near() -> None:
    assert nearest("xyz", ["a", "b"]) == "valid names: a, b"


def test_run_dir_is_refused_in_a_multirun() -> None:
    with pytest.raises(ValueError, match="run_dir .=x. names one run's folder"):
        train(compose_train("run_dir=x"), sweep_dir="sweep")


def test_sweep_axes_change_the_hash() -> None:
    from fae.run.identity import config_hash

    axes = itertools.product(("0.1", "0.5"), ("filter", "amplify"), ("0", "1"))
    hashes = {
        config_hash(compose_train(f"objective={o}", f"objective.lam={lam}", f"seed={seed}", "run_dir=x"), "")
        for lam, o, seed in axes
    }
    assert len(hashes) == 8
    shown = compose_train("run_dir=b", "tags=[x]", "trainer.enable_progress_bar=false", "~callback.progress")
    assert config_hash(compose_train("run_dir=a"), "") == config_hash(shown, "")
    assert config_hash(compose_train("run_dir=x", "data.root=a"), "1") == config_hash(
        compose_train("run_dir=x", "data.root=b"), "1"
    )
    assert config_hash(compose_train("run_dir=x"), "1") != config_hash(compose_train("run_dir=x"), "2")
