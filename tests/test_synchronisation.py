"""No step waits for its device: on the meta device whatever needs a value, not only a shape, is an error."""

from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate

from fae.assembly import build_module
from fae.config import conf_dir
from fae.data.module import Raw
from tests.conftest import compose_train

CORRUPTIONS = sorted(path.stem for path in (Path(conf_dir()) / "corruption").glob("*.yaml"))


@pytest.mark.parametrize(("corruption", "objective"), [*((name, "filter") for name in CORRUPTIONS), ("mix", "amplify")])
def test_a_training_step(corruption: str, objective: str, tiny: Path) -> None:
    words = ("experiment=quick", "data=folder", "category=generic", f"data.root={tiny}", "model.width=2")
    cfg = compose_train(*words, f"corruption={corruption}", f"objective={objective}", "data.image_size=32")
    data = instantiate(cfg.data, _convert_="all")
    data.setup()
    module = build_module(cfg, instantiate(cfg.score, _convert_="all")).to("meta")
    for step in (0, 799):
        batch = data.training_batch(Raw(data.train.image[:8].to("meta"), step))
        loss = module.objective(module(batch.corrupted), *batch).total
        loss.backward()
        assert loss.device.type == "meta"


def test_a_value_would_be_an_error() -> None:
    with pytest.raises(RuntimeError, match="meta"):
        float(torch.zeros((), device="meta"))
