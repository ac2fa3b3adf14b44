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
from torch._inductor.runtime.cache_dir_utils import default_cache_dir

from fae.callback.compiled import Compiled, was_compiled, why_not
from fae.head.none import NoHead
from fae.model.autoencoder import SDCAutoencoder
from fae.module import AnomalyAutoencoder
from fae.network import Network
from fae.objective.filter import Filter
from fae.score.residual.squared import Squared
from fae.space.pixel import Pixel
from tests.conftest import compose_train


def network() -> AnomalyAutoencoder:
    torch.manual_seed(0)
    parts = Network(Pixel(), SDCAutoencoder(width=4), NoHead())
    return AnomalyAutoencoder(parts, Filter(), torch.optim.Adam, lambda optimizer: None, Squared())  # type: ignore[arg-type, return-value]


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


def trainer(device: str, steps: int, processes: int = 1, done: int = 0) -> Any:
    strategy = SimpleNamespace(root_device=torch.device(device))
    return SimpleNamespace(strategy=strategy, max_steps=steps, global_step=done, world_size=processes)


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """One that works."""
    record = Recorder()
    monkeypatch.setattr("torch.compile", record)
    monkeypatch.setattr("fae.callback.compiled.why_not", lambda device: None)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", default_cache_dir())  # as PyTorch leaves it
    return record


@pytest.mark.parametrize(
    ("device", "steps", "processes", "done", "pays"),
    [
        ("cuda", 10, 1, 0, True),
        ("cuda", 9, 1, 0, False),
        ("cuda", 12, 1, 2, True),
        ("cuda", 12, 1, 3, False),  # a resumed run
        ("cuda", 10, 2, 0, False),
        ("cpu", 10, 1, 0, False),
    ],
)
def test_only_a_long_training_on_one_gpu_is_compiled(
    device: str, steps: int, processes: int, done: int, pays: bool, compiler: Recorder
) -> None:
    module = network()
    callback = Compiled(least_steps=10, cache_dir="unused")
    names = list(module.state_dict())
    callback.on_train_start(trainer(device, steps, processes, done), module)
    assert compiler.asked == [{"mode": "reduce-overhead", "dynamic": False}] * pays
    assert (os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(Path("unused").absolute())) == pays
    image = torch.rand(1, 3, 32, 32)
    trained = module.train()(image)
    assert compiler.calls == pays
    module.eval()(image)  # validation and scoring run the network itself
    assert compiler.calls == pays
    assert list(module.state_dict()) == names  # no second copy in a checkpoint
    callback.on_train_end(trainer(device, steps), module)
    assert was_compiled(SimpleNamespace(callbacks=[callback])) == pays  # type: ignore[arg-type]
    again = module.train()(image)
    assert compiler.calls == pays
    assert torch.equal(trained, again)


def test_graphs_and_their_memory_go_with_the_training_however_it_ends(
    compiler: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    resets: list[str] = []
    monkeypatch.setattr("torch.compiler.reset", lambda: resets.append("reset"))
    callback = Compiled(least_steps=10, cache_dir="unused")
    for end in (callback.on_train_end, lambda *of: callback.on_exception(*of, KeyboardInterrupt())):
        module = network()
        callback.on_train_start(trainer("cuda", 10), module)
        module.train()(torch.rand(1, 3, 32, 32)).sum().backward()
        end(trainer("cuda", 10), module)
        assert module.in_training is None
        assert all(one.grad is None for one in module.parameters())
        callback.on_exception(trainer("cuda", 10), module, KeyboardInterrupt())  # nothing is left to let go
    assert resets == ["reset", "reset"]


@pytest.mark.usefixtures("compiler")
def test_the_place_of_an_earlier_training_is_not_the_users() -> None:
    for folder in ("earlier", "later"):
        Compiled(least_steps=10, cache_dir=folder).on_train_start(trainer("cuda", 10), network())
        assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(Path(folder).absolute())


@pytest.mark.usefixtures("compiler")
def test_the_users_place_for_kernels_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "scratch")
    Compiled(least_steps=10, cache_dir="unused").on_train_start(trainer("cuda", 10), network())
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "scratch"


def test_where_the_compiler_fails_it_trains_as_it_is_and_says_so(
    compiler: Recorder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    module = network()
    monkeypatch.setattr("fae.callback.compiled.why_not", lambda device: "no Triton")
    callback = Compiled(least_steps=10, cache_dir="unused")
    callback.on_train_start(trainer("cuda", 10), module)
    assert not compiler.asked
    assert module.in_training is None
    assert not callback.used
    assert "failed: no Triton. The compiler needs Triton, a C compiler and Python's headers" in caplog.messages[0]


def test_what_the_compiler_stumbles_over_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any, **__: Any) -> Any:
        raise RuntimeError("Python.h: no such file\nand much more")

    monkeypatch.setattr("torch.compile", failing)
    assert why_not(torch.device("cpu")) == "Python.h: no such file"
    monkeypatch.setattr("torch.compile", Recorder())
    assert why_not(torch.device("cpu")) is None


def test_a_negative_number_of_steps() -> None:
    with pytest.raises(ValueError, match=r"callback.compiled.least_steps \(=-1\) must not be negative"):
        Compiled(least_steps=-1, cache_dir="unused")


def test_the_network_is_one_graph_for_each_size_and_computes_the_same() -> None:
    torch._dynamo.reset()
    counters.clear()
    module = network().train()
    compiled = torch.compile(module.network.model.forward, backend="aot_eager", dynamic=False, fullgraph=True)
    for graphs, side in enumerate((16, 24), 1):
        image = torch.rand(2, 3, side, side).contiguous(memory_format=torch.channels_last)
        found: list[list[Tensor]] = []
        for forward in (module.network.model, compiled):
            with torch.autocast("cpu", torch.bfloat16):
                result = forward(image)
            module.zero_grad()
            result.float().square().mean().backward()
            gradients = [one.grad.clone() for one in module.network.model.parameters() if one.grad is not None]
            found.append([result.detach(), *gradients])
        assert len(found[0]) > 10
        for one, other in zip(*found, strict=True):
            torch.testing.assert_close(one, other)
        assert counters["stats"]["unique_graphs"] == graphs


@pytest.mark.slow
def test_a_missing_c_compiler_is_told(tmp_path: Path) -> None:
    code = "import torch; from fae.callback.compiled import why_not; print(why_not(torch.device('cpu')))"
    said = {}
    for path in (os.environ["PATH"], str(tmp_path)):
        environ = {key: value for key, value in os.environ.items() if key not in ("CC", "CXX")}
        environ |= {"PATH": path, "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / f"cache-{len(said)}")}
        shown = subprocess.run([sys.executable, "-c", code], check=True, env=environ, capture_output=True, text=True)
        said[path] = shown.stdout.strip()
    assert said[os.environ["PATH"]] == "None"
    assert "compiler" in said[str(tmp_path)].lower()


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
    for experiment, pays in (("paper", True), ("quick", False)):
        cfg = compose_train(f"experiment={experiment}")
        assert (cfg.trainer.max_steps >= cfg.callback.compiled.least_steps) == pays
