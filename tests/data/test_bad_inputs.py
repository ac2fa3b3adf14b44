"""Every bad input is told in a sentence that names it, with no traceback, and before anything is written."""

import ctypes
import importlib
import logging
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from tests.conftest import moved, write_tiny
from tests.data.bad_inputs import KINDS, Row, page

PAGE = Path(__file__).parents[2] / "docs" / "bad-inputs.md"
TRAIN = (
    *("experiment=quick", "data=folder", "data.root=d", "category=generic", "model.width=4", "data.image_size=32"),
    *("data.batch_size=4", "trainer.max_steps=3", "trainer.val_check_interval=1", "trainer.accelerator=cpu"),
    *("trainer.enable_progress_bar=false", "~callback.progress", "run_dir=run"),
)
BEGUN = "the training begins"
COMPOSE, COMPOSED = ConfigLoaderImpl.load_configuration, dict[tuple[str, tuple[str, ...]], DictConfig]()


def rows() -> list[Row]:
    return [row for some in KINDS.values() for row in some]


@contextmanager
def rights_of_a_user() -> Iterator[None]:
    """Give up the right of root to read and write everything, in this thread and those that it starts (Linux)."""
    system = ctypes.CDLL(None, use_errno=True)
    header, rights = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert system.capget(header, rights) == 0
    before = rights[0]  # the rights in effect
    rights[0] &= ~0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
    assert system.capset(header, rights) == 0
    try:
        yield
    finally:
        rights[0] = before
        assert system.capset(header, rights) == 0


def begin(*_: object) -> None:
    """In place of `fae.run.begin.begin`, before which nothing is written."""
    print(BEGUN)
    raise SystemExit(0)


def compose_once(loader: ConfigLoaderImpl, config_name: str, overrides: list[str], **others: Any) -> DictConfig:
    """Compose, once for the same words: Hydra takes a third of a second for it."""
    key = (config_name, tuple(overrides))
    if key not in COMPOSED:
        COMPOSED[key] = COMPOSE(loader, config_name, overrides, **others)
    return deepcopy(COMPOSED[key])


@pytest.fixture
def quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave neither handlers of closed streams nor Hydra's state behind."""
    monkeypatch.setattr("fae.train.begin", begin)
    monkeypatch.setattr("hydra._internal.hydra.Hydra.get_mode", lambda *_, **__: None)  # it composes all a second time
    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", compose_once)
    monkeypatch.setattr(logging.root, "handlers", list(logging.root.handlers))
    monkeypatch.setattr(logging.root, "level", logging.root.level)
    monkeypatch.setattr("wandb.login", lambda **_: False)
    monkeypatch.setenv("HOME", os.environ.get("HOME", "."))
    GlobalHydra.instance().clear()


def pattern(says: str) -> str:
    """The regular expression of a text in which … stands for any text."""
    return ".*".join(re.escape(part.strip()) for part in says.split("…"))


PACKAGES = ("predict",)
"""The commands that are packages."""


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
    words = words_of(row, whole)
    row.prepare()
    before = files(tmp_path)
    monkeypatch.setattr("sys.argv", ["fae", *words])
    name = "predict" if row.command == "bare" else row.command
    module = importlib.import_module(f"fae.{name}{'.__main__' if name in PACKAGES else ''}")
    code: object = 0
    try:
        with rights_of_a_user() if row.rights else nullcontext():
            module.main()
    except SystemExit as ended:
        code = ended.code
    captured = capsys.readouterr()
    said = captured.out + captured.err + (code if isinstance(code, str) else "")
    assert re.search(pattern(row.says), said, re.DOTALL), said
    assert (1 if isinstance(code, str) else code) == row.code
    assert "Traceback" not in said
    assert (BEGUN in said) == row.begins
    if row.code != 3:
        assert files(tmp_path) <= before, "something was written"


def files(folder: Path) -> set[Path]:
    """What lies in a folder, besides the cache."""
    return {path for path in folder.rglob("*") if "cache" not in path.parts}


def test_the_page_shows_the_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page() in text, "python -m tests.data.bad_inputs prints the table"
    titles = [row.title for row in rows()]
    assert len(set(titles)) == len(titles)
    assert len([row for row in rows() if row.code]) >= 60
