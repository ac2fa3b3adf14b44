"""No step waits for its device: on the meta device whatever needs a value, not only a shape, is an error.

What it does not see is counted: copies to the device that wait for what it still has to do, and what the trainer asks
for around the step.
"""

import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback
from omegaconf import DictConfig
from torch.utils._python_dispatch import TorchDispatchMode

from fae.cli.schema import conf_dir
from fae.corruption import draw
from fae.data import module
from fae.data.prepare import Raw
from fae.run.build import build_module
from fae.train import train
from tests.conftest import compose_train


class Watch(TorchDispatchMode):
    """Counts copies that wait for the device, and values that the host reads, but for the order that it has drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.copies, self.reads = Counter[str](), 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.ops.aten._to_copy.default and kwargs.get("device", args[0].device) != args[0].device:
            frames = traceback.extract_stack()
            pinned = any(frame.name == "send" and frame.filename == draw.__file__ for frame in frames)
            staged = pinned or args[0].nbytes <= 2**16  # of more from ordinary memory CUDA waits, whatever it is told
            self.copies["sent" if kwargs.get("non_blocking") and staged else "waited for"] += 1
        if func is torch.ops.aten._local_scalar_dense.default:
            self.reads += not any(frame.filename == module.__file__ for frame in traceback.extract_stack())
        return func(*args, **kwargs)


CORRUPTIONS = sorted(path.stem for path in (Path(conf_dir()) / "corruption").glob("*.yaml"))


@pytest.mark.parametrize(("corruption", "objective"), [*((name, "filter") for name in CORRUPTIONS), ("mix", "amplify")])
def test_a_training_step(corruption: str, objective: str, tiny: Path) -> None:
    words = ("experiment=quick", "data=folder", "category=generic", f"data.root={tiny}", "model.width=2")
    cfg = compose_train(*words, f"corruption={corruption}", f"objective={objective}", "data.image_size=32")
    data = instantiate(cfg.data, _convert_="all")
    data.setup()
    network = build_module(cfg, instantiate(cfg.score, _convert_="all")).to("meta")
    for step in (0, 799):
        raw = Raw(data.train.image[:8].to("meta"), step)
        with Watch() as watch:
            batch = data.training_batch(raw)
        assert set(watch.copies) == {"sent"}
        loss = network.objective(network(batch.corrupted), *batch).total
        loss.backward()
        assert loss.device.type == "meta"


def test_a_value_would_be_an_error() -> None:
    with pytest.raises(RuntimeError, match="meta"):
        float(torch.zeros((), device="meta"))
    with Watch() as watch:
        torch.zeros(()).to("meta")
        torch.zeros(2**15).to("meta", non_blocking=True)
    assert watch.copies == {"waited for": 2}
    with Watch() as watch:
        draw.send(torch.zeros(2**15), torch.device("meta"))
    assert watch.copies == {"sent": 1}


class Reads(Callback):
    """How often the host reads a value, from the end of one step to that of the next."""

    def __init__(self, watch: Watch) -> None:
        self.watch, self.seen = watch, dict[int, int]()

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        self.seen[trainer.global_step] = self.watch.reads


@pytest.mark.parametrize("shown", [True, False], ids=["progress bar", "none"])
def test_the_trainer_reads_where_it_logs_alone(shown: bool, tiny_config: Callable[..., DictConfig]) -> None:
    words = ["trainer.log_every_n_steps=4", "callback.last.every_n_steps=100", "trainer.val_check_interval=12"]
    if shown:
        words += [
            "trainer.enable_progress_bar=true",
            "+callback.progress._target_=fae.callback.progress.StepProgressBar",
        ]
    with Watch() as watch:
        reads = Reads(watch)
        train(tiny_config("run", *words), watching=[reads])
    between = {step: reads.seen[step] - reads.seen[step - 1] for step in range(2, 12)}
    assert [step for step, count in between.items() if count] == [4, 8]
