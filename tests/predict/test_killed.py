"""Predictions that are killed by SIGKILL, and go on: nothing is lost, nothing is doubled."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fae.predict import predict
from fae.prediction import part
from fae.prediction.part import parts_of, read_part
from tests.conftest import once, textured
from tests.predict.conftest import compose_predict, rows
from tests.processes import Forked, main_of

COUNT, A_PART = 26, 5


@pytest.fixture(scope="module")
def uninterrupted(run_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images, and what is predicted of it without an interruption."""

    def make(root: Path) -> None:
        (root / "in").mkdir()
        rng = np.random.default_rng(0)
        for i in range(COUNT):
            Image.fromarray(textured(rng)).save(root / "in" / f"{i:02d}.png")
        predict(compose_predict(f"run_dir={run_dir}", f"input={root / 'in'}", f"output={root / 'out'}"))

    return once(tmp_path_factory, "uninterrupted", make)


def dies(function: Callable[..., Any], call: int, leaves: Callable[..., Any]) -> Callable[..., Any]:
    """A function that is killed in its n-th call, and leaves something half done."""
    calls = 0

    def dying(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            leaves(*arguments)
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)

    return dying


def while_a_part_is_written() -> None:
    part.parquet.write_table = dies(
        part.parquet.write_table, 3, lambda _, draft: draft.write_bytes(b"PAR1 and no more of it")
    )


def between_two_parts() -> None:
    part.Parts.add = dies(part.Parts.add, 8, lambda *_: None)  # type: ignore[method-assign]


def while_a_picture_is_written() -> None:
    Image.Image.save = dies(  # type: ignore[method-assign]
        Image.Image.save, 50, lambda _, draft: draft.write_bytes(b"half a picture")
    )


def killed(prepare: Callable[[], None], words: tuple[str, ...]) -> None:
    part.MOST_ROWS = A_PART
    prepare()
    main_of("fae.predict", words)


@pytest.mark.parametrize("place", [while_a_part_is_written, between_two_parts, while_a_picture_is_written])
def test_killed_and_repeated_it_makes_the_same_table(
    place: Callable[[], None],
    run_dir: Path,
    uninterrupted: Path,
    tmp_path: Path,
    forked: Forked,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = tmp_path / "out"
    words = (f"run_dir={run_dir}", f"input={uninterrupted / 'in'}", f"output={output}", "batch_size=2", "threads=2")
    with forked.running(killed, place, words) as process:
        process.join(120)
        assert process.exitcode == -signal.SIGKILL
    assert not (output / "predictions.csv").exists(), "the table appears when all is done"
    shard = output / "shard-000-of-001"
    assert not (shard / "state.json").exists()
    before = {path: path.read_bytes() for path in parts_of(shard)}
    done = {row.path for path in before for row in read_part(path)}
    assert A_PART <= len(done) < COUNT
    monkeypatch.setattr(part, "MOST_ROWS", A_PART)
    assert predict(compose_predict(*words)) == 0
    assert before.items() <= {path: path.read_bytes() for path in parts_of(shard)}.items(), "parts never change"
    scored = [row.path for path in parts_of(shard) for row in read_part(path)]
    assert len(scored) == len(set(scored)) == COUNT, "what a part holds is not scored again"
    found, expected = rows(output), rows(uninterrupted / "out")
    assert list(found) == list(expected)
    for name, row in expected.items():
        assert float(found[name].pop("score")) == pytest.approx(float(row["score"]), rel=1e-5)
        assert found[name] == {key: value for key, value in row.items() if key != "score"}
    for kind in ("maps", "masks", "overlays"):
        written = sorted(path.name for path in (output / kind).iterdir())
        assert written == sorted(path.name for path in (uninterrupted / "out" / kind).iterdir())
        for path in (output / kind).iterdir():
            Image.open(path).load()
