"""On a GPU a long training runs a compiled network; here what can be told of it without one."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters

from fae.callback.compiled import Compiled
from fae.model.autoencoder import SDCAutoencoder
from fae.module import FilteringAutoencoder
from fae.objective.filter import Filter
from tests.conftest import compose_train


def network() -> FilteringAutoencoder:
    torch.manual_seed(0)
    return FilteringAutoencoder(SDCAutoencoder(width=4), Filter(), torch.optim.Adam, lambda optimizer: None)  # type: ignore[arg-type, return-value]


class Recorder:
    """Stands in for torch.compile; what it makes says that it was called."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.calls = 0

    def __call__(self, forward: Any, **options: Any) -> Any:
        self.asked.append(options)

        def compiled(image: Tensor) -> Tensor:
            self.calls += 1
            result: Tensor = forward(image)
            return result

        return compiled


def trainer(device: str, steps: int, processes: int = 1) -> Any:
    strategy = SimpleNamespace(root_device=torch.device(device))
    return SimpleNamespace(strategy=strategy, max_steps=steps, world_size=processes)


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fae.callback.compiled.find_spec", lambda name: name)
    monkeypatch.setenv("CC", "cc")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "another")


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize(
    ("device", "steps", "processes", "pays"),
    [("cuda", 10, 1, True), ("cuda", 9, 1, False), ("cuda", 10, 2, False), ("cpu", 10, 1, False)],
)
def test_only_a_long_training_on_one_gpu_is_compiled(device: str, steps: int, processes: int, pays: bool) -> None:
    module, record = network(), Recorder()
    callback = Compiled(least_steps=10, cache_dir="unused", compile=record)
    names = list(module.state_dict())
    callback.on_train_start(trainer(device, steps, processes), module)
    assert len(record.asked) == pays
    assert (os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(Path("unused").absolute())) == pays
    image = torch.rand(1, 3, 32, 32)
    trained = module.train()(image)
    assert record.calls == pays
    module.eval()(image)  # validation and scoring run the network itself
    assert record.calls == pays
    assert list(module.state_dict()) == names  # no second copy in a checkpoint
    callback.on_train_end(trainer(device, steps), module)
    again = module.train()(image)
    assert record.calls == pays
    assert torch.equal(trained, again)


def test_without_a_compiler_it_trains_as_it_is_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, compiler: None
) -> None:
    module, record = network(), Recorder()
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", "")
    Compiled(least_steps=10, cache_dir="unused", compile=record).on_train_start(trainer("cuda", 10), module)
    monkeypatch.setattr("fae.callback.compiled.find_spec", lambda name: None)
    Compiled(least_steps=10, cache_dir="unused", compile=record).on_train_start(trainer("cuda", 10), module)
    assert not record.asked
    assert module.in_training is None
    assert "a C compiler" in caplog.messages[0]
    assert "pip install triton" in caplog.messages[1]


def test_the_network_is_one_graph_for_each_size_and_computes_the_same() -> None:
    torch._dynamo.reset()
    counters.clear()
    module = network().train()
    compiled = torch.compile(module.model.forward, backend="aot_eager", dynamic=False, fullgraph=True)
    for graphs, side in enumerate((16, 24), 1):
        image = torch.rand(2, 3, side, side).contiguous(memory_format=torch.channels_last)
        found: list[list[Tensor]] = []
        for forward in (module.model, compiled):
            with torch.autocast("cpu", torch.bfloat16):
                result = forward(image)
            module.zero_grad()
            result.float().square().mean().backward()
            gradients = [one.grad.clone() for one in module.model.parameters() if one.grad is not None]
            found.append([result.detach(), *gradients])
        assert len(found[0]) > 10
        for one, other in zip(*found, strict=True):
            torch.testing.assert_close(one, other)
        assert counters["stats"]["unique_graphs"] == graphs


@pytest.mark.slow
def test_kernels_lie_in_the_named_cache(tmp_path: Path) -> None:
    code = """
import sys, torch
from pathlib import Path
from fae.callback.compiled import keep_kernels_in
keep_kernels_in(Path(sys.argv[1]))
torch.compile(lambda x: torch.relu(x) + 1)(torch.rand(9))
"""
    own, others = tmp_path / "cache", tmp_path / "tmp"
    others.mkdir()
    environ = {key: value for key, value in os.environ.items() if key != "TORCHINDUCTOR_CACHE_DIR"}
    subprocess.run([sys.executable, "-c", code, str(own)], check=True, env=environ | {"TMPDIR": str(others)})
    assert any(path.is_file() for path in own.rglob("*"))
    # The place of C++ headers, which no GPU needs, is set when PyTorch is imported.
    elsewhere = [path for path in others.rglob("*") if path.is_file()]
    assert not [path for path in elsewhere if "precompiled_headers" not in path.parts]


def test_it_is_among_the_callbacks_of_every_training() -> None:
    assert compose_train("experiment=paper").callback.compiled.least_steps <= 40_000
    assert compose_train("experiment=quick").callback.compiled.least_steps > 800
