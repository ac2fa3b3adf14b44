import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from PIL import Image

from experiments.benchmark import scale, switches
from experiments.benchmark.__main__ import benchmark
from experiments.benchmark.config import register_benchmark
from experiments.benchmark.floor import _SIDE
from experiments.benchmark.inference import GIVEN_BACK, NETWORK, WHOLE
from experiments.benchmark.inference import PLAIN as PLAIN_NETWORK
from experiments.benchmark.switches import COMPILED
from experiments.benchmark.training import _IN_A_ROW, BARE, PLAIN, STEP
from fae.cli.schema import conf_dir

TINY = [
    *("experiment=quick", "data=folder", "category=generic", "model.width=4", "data.image_size=32"),
    *("data.batch_size=4", "trainer.accelerator=cpu", "benchmark.seconds=0"),
    *("benchmark.sides=[32]", "benchmark.batches=[1,2]", "benchmark.images=[20,40]"),
]


@pytest.fixture(autouse=True)
def _small_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_SIDE, "cpu", 256)


def run(tiny: Path, folder: Path, *overrides: str) -> dict[str, Any]:
    register_benchmark()
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        cfg = compose("benchmark", [*TINY, f"data.root={tiny}", f"run_dir={folder}", *overrides])
    return benchmark(cfg)


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from numbers(one)
    elif isinstance(value, int | float):
        yield value


def test_all_of_a_step(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(tiny, tmp_path / "out", "benchmark.parts=[training,inference,layers]")
    assert json.loads((tmp_path / "out" / "benchmark.json").read_text()) == result
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["benchmark.json", "benchmark.png"]
    with Image.open(tmp_path / "out" / "benchmark.png") as picture:
        assert picture.size[0] > 1000
    assert all(math.isfinite(one) for one in numbers(result))

    training = result["training"]
    times = {name: one["median_ms"] for name, one in training["times"].items()}
    assert training["batch"] == [4, 3, 32, 32]
    assert training["compiled"] is False
    assert training["speedup_over_plain"] == pytest.approx(times[PLAIN] / times[STEP])
    assert times[BARE] < times[STEP]
    assert 0 < training["over_forward_backward_and_optimiser"] < training["over_forward_and_backward"]
    floor = training["floor"]
    assert floor["arithmetic_ms"] == pytest.approx(floor["tflop"] * 1e6 / floor["matrix_gflop_per_s"])
    assert floor["floor_ms"] >= max(floor["arithmetic_ms"], floor["memory_ms"]) * (1 - 1e-9)
    assert [(one["batch"], one["side"]) for one in result["inference"]] == [(1, 32), (2, 32)]
    assert all(set(one["times"]) == {NETWORK, WHOLE, GIVEN_BACK, PLAIN_NETWORK} for one in result["inference"])
    # Two rounds of three convolutions a decoder's stage, and so on: every convolution of the network is there.
    assert sum(one["count"] for one in result["layers"]) == 3 * 2 + 4 * 7 + 3 * 3 + 1
    shown = capsys.readouterr().out
    for words in ("a training step, 4 × 32×32", "not compiled", "scoring", "share of the matrix rate"):
        assert words in shown
    assert "it/s" not in shown


@pytest.mark.slow
def test_scale_memory_and_data(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    axes = {"training, batch": ("batch", (1, 2)), "inference, side of the image": ("side", (32, 64))}
    monkeypatch.setattr(scale, "AXES", axes)
    monkeypatch.setattr(scale, "_SIDE", 32)
    result = run(tiny, tmp_path / "out", "benchmark.parts=[memory,scale,data]")
    assert all(one > 0 for one in numbers([result["memory"], result["scale"], result["data"]]))
    assert [one["value"] for one in result["data"]] == [20, 40]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["benchmark.json", "benchmark.png"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit.*is deprecated")  # what the compiler imports
def test_switches(tiny: Path, tmp_path: Path) -> None:
    result = run(tiny, tmp_path / "out", "benchmark.parts=[switches]", "trainer.precision=bf16-mixed")["switches"]
    assert set(result["gain"]) == {
        "float32",
        "contiguous memory",
        "optimiser without fused kernel",
        COMPILED,
        switches.GIVEN_BACK,
    }
    assert result["graphs_for_three_crops"] >= 1


def test_steps_in_a_row_count_as_their_mean(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = run(tiny, tmp_path / "one", "benchmark.parts=[training]", "benchmark.seconds=0")["training"]["times"]
    monkeypatch.setitem(_IN_A_ROW, "cpu", 4)
    with pytest.raises(ValueError, match=r"trainer.max_steps \(=20\) must be more than 20"):
        run(tiny, tmp_path / "short", "benchmark.parts=[training]", "trainer.max_steps=20")
    row = run(tiny, tmp_path / "row", "benchmark.parts=[training]", "benchmark.seconds=0")["training"]["times"]
    assert row[STEP]["rounds"] == one[STEP]["rounds"] == 3
    for name in (STEP, BARE):  # a sum of four would be twice as long at least
        assert row[name]["median_ms"] < 2 * one[name]["median_ms"]
    assert row[BARE]["median_ms"] < row[STEP]["median_ms"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("benchmark.parts=[trainig]", r"benchmark.parts \(=\['trainig'\]\) must name some of training, inference"),
        ("benchmark.parts=[]", "must name some of"),
        ("benchmark.sides=[0]", r"benchmark.sides \(=\[0\]\) must hold numbers of at least 1"),
        ("benchmark.batches=[]", "benchmark.batches"),
        ("trainer.precision=16-mixed", r"trainer.precision \(=16-mixed\) must be one of 32-true, bf16-mixed here"),
    ],
)
def test_wrong_values(words: str, message: str, tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        run(tiny, tmp_path / "out", words)
    assert not (tmp_path / "out").exists()


def test_a_wrong_key_on_the_command_line(tiny: Path) -> None:
    command = [sys.executable, "-m", "experiments.benchmark", *TINY, f"data.root={tiny}", "benchmark.second=3"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr


ROOT = Path(__file__).resolve().parents[3]
