"""What a run tells of damage that it was not trained on."""

import re
from collections.abc import Callable

import pytest
from omegaconf import DictConfig

from fae.evaluation.unseen import FOUND, TRIVIAL, WARNING, _warning, told
from fae.train import train
from tests.conftest import SHORT

Build = Callable[..., DictConfig]


@pytest.mark.parametrize(
    ("value", "trivial", "space", "words"),
    [
        (
            0.49,
            0.4,
            "pixel",
            "no better than chance, .* try experiment=features, a longer training or another objective",
        ),
        (0.7, 0.8, "pixel", "no better than a statistic without learning, .* try experiment=features"),
        (0.5, 0.8, "lite0", "no better than chance, .* try a longer training or another objective"),
    ],
)
def test_a_run_that_learned_nothing_says_what_to_try(value: float, trivial: float, space: str, words: str) -> None:
    warning = _warning(value, trivial, space)
    assert warning is not None
    lines = told({FOUND: value, TRIVIAL: trivial, WARNING: warning}).splitlines()
    assert lines[0] == f"damage of unseen kinds: pixel AUROC {value:.4f} (without learning: {trivial:.4f})"
    assert lines[1].startswith("NOTE: ")
    assert re.search(words, lines[1])


def test_a_run_that_learned_is_not_warned() -> None:
    assert _warning(0.9, 0.8, "pixel") is None
    assert len(told({FOUND: 0.9, TRIVIAL: 0.8, WARNING: None}).splitlines()) == 1
    kinds = {f"{FOUND}_smear": 0.8, f"{FOUND}_stain": 1.0, f"{FOUND}_none": None}
    assert told(kinds | {FOUND: 0.9, TRIVIAL: 0.8, WARNING: None}).endswith("0.8000); smear 0.80, stain 1.00")
    assert "undefined" in told({FOUND: None, TRIVIAL: None, WARNING: None})


def test_damage_that_nobody_can_miss_is_found(
    tiny_config: Build, unpainted: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """White patches on stripes: brightness alone finds every pixel, and the line says so."""
    white = ("corruption@unseen=cut_out", "unseen.content.intensity=[1.0,1.0]")
    metrics = train(tiny_config("run", *SHORT, *white))
    assert metrics["unseen_damage"] == "cut_out"
    assert metrics["trivial_unseen_pixel_auroc"] > 0.99
    assert 0 <= metrics["unseen_pixel_auroc"] <= 1
    assert f"damage of unseen kinds: pixel AUROC {metrics['unseen_pixel_auroc']:.4f}" in capsys.readouterr().out
    assert metrics["unseen_warning"] is not None
