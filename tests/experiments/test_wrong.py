"""Wrong words end with a line that says what to mend, as with the project's own commands."""

import runpy
import sys
from pathlib import Path

import pytest

from experiments.rivals import own
from fae.cli.command import plainly

WRONG = {
    "theory.premise": ["nowhere"],
    "theory.moments": ["nowhere"],
    "theory.orthogonality": ["nowhere"],
    "theory.spread": ["nowhere"],
    "theory.along": ["category=nowhere"],
    "figures.figures": ["detections", "nowhere", "--out", "found.png"],
    "tables.tables": ["nowhere"],
    "tables.objectives": ["nowhere"],
    "tables.brightness": ["nowhere", "--out", "found.png"],
    "rivals.own": ["fae", "1", "category=nowhere"],
    "rivals.score": ["nowhere", "nowhere"],
    "table": ["nowhere", "found.csv"],
    "leave_one_out": ["nowhere", "k,n", "pixel_auroc"],
    "corruption.shift": ["nowhere"],
}


@pytest.mark.parametrize("script", WRONG)
def test_wrong_words_end_with_a_line(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [script, *WRONG[script]])
    # Another test may have imported it.
    monkeypatch.delitem(sys.modules, f"experiments.{script}", raising=False)
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module(f"experiments.{script}", run_name="__main__")
    assert "nowhere" in str(stopped.value.code)
    assert "\n" not in str(stopped.value.code)


@pytest.mark.parametrize("seconds", ["0", "-5", "nan", "inf"])
def test_a_rivals_budget_is_positive_and_finite(seconds: str) -> None:
    with pytest.raises(ValueError, match="SECONDS"):
        own.main(["--", "fae", seconds])


def test_defects_of_ours_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError), plainly():
        raise AssertionError
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(ValueError, match="asked for"), plainly():
        raise ValueError("asked for")
