"""Every bad input is told in a sentence that names it, with no traceback, and before anything is written."""

import importlib
import logging
import os
import re
import shlex
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from tests.conftest import moved, write_tiny
from tests.data.bad_inputs import KINDS, Row

PAGE = Path(__file__).parents[2] / "docs" / "bad-inputs.md"
TRAIN = (
    *("experiment=quick", "data=folder", "data.root=d", "category=generic", "model.width=4", "data.image_size=32"),
    *("data.batch_size=4", "trainer.max_steps=3", "trainer.val_check_interval=1", "trainer.accelerator=cpu"),
    *("trainer.enable_progress_bar=false", "~callback.progress", "run_dir=run"),
)
BEGUN = "the training begins"


def rows() -> list[Row]:
    return [row for some in KINDS.values() for row in some]


def begin(*_: object) -> None:
    """In place of `fae.run.begin.begin`, before which nothing is written."""
    print(BEGUN)
    raise SystemExit(0)


@pytest.fixture
def quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave neither handlers of closed streams nor Hydra's state behind."""
    monkeypatch.setattr("fae.train.begin", begin)
    monkeypatch.setattr(logging.root, "handlers", list(logging.root.handlers))
    monkeypatch.setattr(logging.root, "level", logging.root.level)
    monkeypatch.setattr("wandb.login", lambda **_: False)
    monkeypatch.setenv("HOME", os.environ.get("HOME", "."))
    GlobalHydra.instance().clear()


def words_of(row: Row, whole: Path) -> list[str]:
    typed = shlex.split(row.words)
    if row.command == "train":
        return [*TRAIN, *typed]
    if row.command == "predict" and "run_dir=" not in row.words:
        return [f"run_dir={whole}", *typed]
    if row.command == "evaluate":
        return [f"run_dir={moved(whole, Path.cwd())}", *typed]
    return typed


@pytest.mark.usefixtures("quietly")
@pytest.mark.parametrize("row", rows(), ids=lambda row: re.sub(r"\W+", "-", row.title))
def test_a_bad_input_is_told(
    row: Row, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tiny(tmp_path / "d")
    row.prepare()
    words = words_of(row, whole)
    before = {path for path in tmp_path.rglob("*") if "cache" not in path.parts}
    monkeypatch.setattr("sys.argv", ["fae", *words])
    module = importlib.import_module(f"fae.{'predict' if row.command == 'bare' else row.command}")
    code: object = 0
    try:
        module.main()
    except SystemExit as ended:
        code = ended.code
    captured = capsys.readouterr()
    said = captured.out + captured.err + (code if isinstance(code, str) else "")
    if os.environ.get("SHOW"):
        with open(os.environ["SHOW"], "a") as f:
            print(f"## {row.title}\n{code if isinstance(code, int) else 1} {said}", file=f)
    assert re.search(".*".join(map(re.escape, row.says.split("…"))), said, re.DOTALL), said
    assert (1 if isinstance(code, str) else code) == row.code
    assert "Traceback" not in said
    assert (BEGUN in said) == row.begins
    if not row.code == 3:
        assert {path for path in tmp_path.rglob("*") if "cache" not in path.parts} <= before
