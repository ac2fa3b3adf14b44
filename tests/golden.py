"""Golden losses of both objectives: ten seeded float32 steps. `make golden` rewrites them, on purpose only."""

import json
from pathlib import Path

import torch
from hydra.utils import instantiate

from fae.data.seed import TRAIN, generator
from tests.conftest import compose_train

FILE = Path(__file__).with_name("golden.json")


def losses(objective: str) -> list[float]:
    """Losses of ten steps on generated images; float32, one configuration, no files."""
    cfg = compose_train("experiment=quick", f"objective={objective}", "model.width=4")
    torch.manual_seed(0)
    model = instantiate(cfg.model)
    loss_of, corruption = instantiate(cfg.objective), instantiate(cfg.corruption, _convert_="all")
    optimizer = instantiate(cfg.optimizer)(model.parameters())
    values = []
    for step in range(10):
        random = generator(0, TRAIN, step, 0)
        rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
        phase = torch.rand(4, 3, 1, 1, generator=random) * 6
        clean = 0.5 + 0.3 * torch.sin(rows / 3 + columns / 2 + phase)
        corrupted, mask = corruption(clean, random)
        loss = loss_of(model(corrupted), clean, corrupted, mask).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(float(loss.detach()))
    return values


if __name__ == "__main__":
    FILE.write_text(json.dumps({name: losses(name) for name in ("filter", "amplify")}, indent=2) + "\n")
