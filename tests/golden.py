"""Golden losses and gradients of both objectives, float32. `make golden` rewrites them, on purpose only.

The weights stay as they are: a step of Adam turns rounding into steps of full length, so that after ten of them two
kinds of processor differ by a tenth.
"""

import json
from pathlib import Path

import torch
from hydra.utils import instantiate

from fae.data.seed import TRAIN, generator
from tests.conftest import compose_train

FILE = Path(__file__).with_name("golden.json")


def golden(objective: str) -> dict[str, list[float]]:
    """Losses of ten seeded batches of generated images, and the length of each one's gradient; no files."""
    cfg = compose_train("experiment=quick", f"objective={objective}", "model.width=4")
    torch.manual_seed(0)
    model = instantiate(cfg.model)
    loss_of, corruption = instantiate(cfg.objective), instantiate(cfg.corruption, _convert_="all")
    losses, gradients = [], []
    for step in range(10):
        random = generator(0, TRAIN, step)
        rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
        phase = torch.rand(4, 3, 1, 1, generator=random) * 6
        stripes = 0.3 * torch.sin(rows / 3 + columns / 2 + phase)
        # Noise, as channels without variance would be normalised to rounding.
        clean = (0.25 + stripes + 0.5 * torch.rand(4, 3, 32, 32, generator=random)).clamp(0, 1)
        corrupted, mask = corruption(clean, random)
        loss = loss_of(model(corrupted), clean, corrupted, mask).total
        gradient = torch.autograd.grad(loss, list(model.parameters()))
        losses.append(float(loss.detach()))
        gradients.append(float(torch.cat([part.flatten() for part in gradient]).norm()))
    return {"loss": losses, "gradient": gradients}


if __name__ == "__main__":
    FILE.write_text(json.dumps({name: golden(name) for name in ("filter", "amplify")}, indent=2) + "\n")
