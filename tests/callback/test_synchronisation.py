"""No step waits for its device: on the meta device whatever needs a value, not only a shape, is an error.

What it does not see is counted: copies to the device that wait for what it still has to do, and what the trainer asks
for around the step.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback
from omegaconf import DictConfig

from fae.cli.schema import conf_dir
from fae.corruption.draw import send
from fae.data.prepare import Raw
from fae.run.build import build_module
from fae.train import train
from tests.conftest import compose_train
from tests.watch import Watch

OF_KORNIA = {"motion_blur", "plasma", "unseen"}
"""Kornia sends the numbers that it draws without `non_blocking`, so that the host waits; see `Augmented`."""
CORRUPTIONS = sorted({path.stem for path in (Path(conf_dir()) / "corruption").glob("*.yaml")} - OF_KORNIA)


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
        assert watch.sent > 0
        assert watch.waited_for == 0
        loss = network.objective(network(batch.corrupted), *batch).total
        loss.backward()
        assert loss.device.type == "meta"


@pytest.mark.parametrize("space", ["pixel", "lite0"])
def test_a_training_step_with_a_head(space: str, tiny: Path) -> None:
    words = ["data=folder", "category=generic", f"data.root={tiny}", "data.image_size=32"]
    words += ["experiment=features"] if space == "lite0" else ["experiment=quick", "model.width=2", "head=residual"]
    cfg = compose_train(*words, "corruption=mix")
    data = instantiate(cfg.data, _convert_="all")
    data.setup()
    module = build_module(cfg, instantiate(cfg.score, _convert_="all"))
    module.network.space.fit([data.train.image])
    module = module.to("meta")
    batch = data.training_batch(Raw(data.train.image[:8].to("meta"), 799))
    with Watch() as watch:
        points = module.in_space(batch)
        reconstruction = module(points.corrupted)
        beside = module.network.head.losses(points.corrupted, reconstruction, batch)
        (module.objective(reconstruction, *points).total + beside["head"]).backward()
    assert (watch.waited_for, watch.reads) == (0, 0)


def test_a_value_would_be_an_error() -> None:
    with pytest.raises(RuntimeError, match="meta"):
        float(torch.zeros((), device="meta"))
    with Watch() as watch:
        torch.zeros(()).to("meta")
        torch.zeros(2**15).to("meta", non_blocking=True)
    assert (watch.sent, watch.waited_for) == (0, 2)
    with Watch() as watch:
        send(torch.zeros(2**15), torch.device("meta"))
    assert (watch.sent, watch.waited_for) == (1, 0)


class Reads(Callback):
    """How many values the host has read at the end of each step, and how many it reads to draw a batch."""

    def __init__(self, watch: Watch) -> None:
        self.watch, self.seen = watch, dict[int, int]()

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        self.seen[trainer.global_step] = self.watch.reads

    def on_train_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        batches = iter(trainer.datamodule.train_dataloader())  # type: ignore[attr-defined]
        next(batches)
        with Watch() as watch:
            next(batches)
        self.of_a_batch = watch.reads


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
    assert [step for step, count in between.items() if count != reads.of_a_batch] == [4, 8]
    assert min(between.values()) == reads.of_a_batch
