import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from PIL import Image
from torch import Tensor

from experiments.benchmark import switches
from experiments.benchmark.__main__ import benchmark
from experiments.benchmark.config import register_benchmark
from experiments.benchmark.inference import GIVEN_BACK, NETWORK, WHOLE
from experiments.benchmark.inference import PLAIN as PLAIN_NETWORK
from experiments.benchmark.plot import plot
from experiments.benchmark.scale import scale
from experiments.benchmark.subject import Subject
from experiments.benchmark.switches import COMPILED
from experiments.benchmark.table import tables
from experiments.benchmark.training import PLAIN, training
from experiments.benchmark.turns import BARE, STEP
from fae.cli.schema import conf_dir
from fae.model.autoencoder import SDCAutoencoder
from fae.run.build import quiet

TINY = [
    *("experiment=quick", "data=folder", "category=generic", "model.width=4", "data.image_size=32"),
    *("data.batch_size=4", "trainer.accelerator=cpu", "benchmark.seconds=0"),
    *("benchmark.sides=[32]", "benchmark.batches=[2]", "benchmark.images=[20,40]", "benchmark.matrix_side=256"),
]


def composed(tiny: Path, *overrides: str) -> DictConfig:
    register_benchmark()
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        return compose("benchmark", [*TINY, f"data.root={tiny}", *overrides])


def run(tiny: Path, folder: Path, *overrides: str) -> dict[str, Any]:
    return benchmark(composed(tiny, f"run_dir={folder}", *overrides))


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from numbers(one)
    elif isinstance(value, int | float):
        yield value


def test_all_of_a_step(tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
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
    assert [(one["batch"], one["side"]) for one in result["inference"]] == [(2, 32)]
    assert all(set(one["times"]) == {NETWORK, WHOLE, GIVEN_BACK, PLAIN_NETWORK} for one in result["inference"])
    # Two rounds of three convolutions a decoder's stage, and so on: every convolution of the network is there.
    assert sum(one["count"] for one in result["layers"]) == 3 * 2 + 4 * 7 + 3 * 3 + 1
    assert result["notes"] == []
    shown = capfd.readouterr().out
    for words in ("a training step, 4 × 32×32", "not compiled", "scoring", "share of the matrix rate"):
        assert words in shown
    assert "it/s" not in shown


@pytest.mark.slow
def test_memory_and_data(tiny: Path, tmp_path: Path) -> None:
    result = run(tiny, tmp_path / "out", "benchmark.parts=[memory,data]")
    assert all(one > 0 for one in numbers([result["memory"], result["data"]]))
    assert [one["value"] for one in result["data"]] == [20, 40]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["benchmark.json", "benchmark.png"]


@pytest.mark.slow
def test_scale(tiny: Path, capfd: pytest.CaptureFixture[str]) -> None:
    axes = {"training, batch": ("batch", (1, 2)), "inference, side of the image": ("side", (32, 64, 8192))}
    found = scale(composed(tiny), 3 * 2**30, axes, side=32)
    assert all(one > 0 for one in numbers([found["training, batch"], found["inference, side of the image"][:2]]))
    assert found["inference, side of the image"][2] == {"value": 8192, "seconds": None, "bytes": None}
    assert "inference, side of the image 8192 is left out: it needs about" in capfd.readouterr().out
    assert len(tables("scale", found)) == 2
    about = {"width": 4, "precision": "32-true", "device": "cpu", "threads": 1, "date": "today"}
    assert plot(about | {"scale": found}) is not None


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


def test_steps_in_a_row_count_as_their_mean(tiny: Path, tmp_path: Path) -> None:
    quiet()
    subject = Subject(composed(tiny))
    one, row = (training(subject, tmp_path, 0, in_a_row)["times"] for in_a_row in (1, 4))
    assert row[STEP]["rounds"] == one[STEP]["rounds"] == 3
    for name in (STEP, BARE):  # a sum of four would be twice as long at least
        assert row[name]["median_ms"] < 2 * one[name]["median_ms"]
    assert row[BARE]["median_ms"] < row[STEP]["median_ms"]
    assert not any(path.name.startswith(".training-") for path in tmp_path.iterdir())
    short = Subject(composed(tiny, "trainer.max_steps=20"))
    with pytest.raises(ValueError, match=r"trainer.max_steps \(=20\) must be more than 20"):
        training(short, tmp_path, 0, in_a_row=4)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("benchmark.parts=[trainig]", r"benchmark.parts \(=\['trainig'\]\) must name some of training, inference"),
        ("benchmark.parts=[]", "must name some of"),
        ("benchmark.sides=[0]", r"benchmark.sides \(=\[0\]\) must hold numbers of at least 1"),
        ("benchmark.batches=[]", "benchmark.batches"),
        ("benchmark.memory_gib=-1", r"benchmark.memory_gib \(=-1.0\) must be positive, or null"),
        ("trainer.precision=16-mixed", r"trainer.precision \(=16-mixed\) must be one of 32-true, bf16-mixed here"),
    ],
)
def test_wrong_values(words: str, message: str, tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        run(tiny, tmp_path / "out", words)
    assert not (tmp_path / "out").exists()


def command(tiny: Path, *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "experiments.benchmark", *TINY, f"data.root={tiny}", *words]
    return subprocess.run(line, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})


def test_a_wrong_key_on_the_command_line(tiny: Path) -> None:
    done = command(tiny, "benchmark.second=3")
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr


class KilledInTraining(SDCAutoencoder):
    """Ends its process as Linux does when memory runs out, if it computes with gradients."""

    def forward(self, image: Tensor) -> Tensor:
        if image.device.type == "cpu" and torch.is_grad_enabled():
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(image)


def test_a_killed_part_is_a_sentence(tiny: Path, tmp_path: Path) -> None:
    model = f"model._target_={__name__}.{KilledInTraining.__name__}"
    parts = ["benchmark.parts=[memory,layers]", "benchmark.memory_gib=6"]
    done = command(tiny, model, *parts, f"run_dir={tmp_path / 'out'}")
    assert done.returncode == 1
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("error"))
    assert line == (
        "error: memory was killed, most likely because memory ran out: repeat it with benchmark.memory_gib=3.0, "
        "half of the 6.0 GiB that it could use"
    )
    assert "Traceback" not in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["benchmark.json"]
    result = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    assert "memory" not in result
    assert len(result["layers"]) > 5


ROOT = Path(__file__).resolve().parents[3]
