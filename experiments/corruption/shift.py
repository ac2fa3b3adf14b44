"""How far off in brightness a run's reconstructions are on normal test pixels, and what that does to its pixel AUROC.

python experiments/corruption/shift.py RUN...        # prints a Markdown table

As trained, and with batch norm's statistics from the clean training images in place of training's.
"""

import sys
from pathlib import Path

import torch
from hydra.utils import instantiate
from torch import Tensor
from torch.optim.swa_utils import update_bn

from fae.assembly import build_module, checkpoint_of, load_checkpoint
from fae.cli import plainly
from fae.config import register
from fae.data.module import DataModule
from fae.metric.auroc import auroc
from fae.run_folder import finished_config
from fae.score.smoothing import smooth

BATCH = 8


def reconstruct(module: torch.nn.Module, image: Tensor) -> Tensor:
    """`(N, 3, H, W)` uint8 to float32, in float32 arithmetic."""
    with torch.inference_mode():
        return torch.cat([module(part.float() / 255) for part in image.split(BATCH)])


def row(run_dir: Path) -> str:
    """The table's line of one run."""
    cfg = finished_config(run_dir)
    data: DataModule = instantiate(cfg.data, _convert_="all")
    data.setup()
    score = instantiate(cfg.score, _convert_="all")
    module = build_module(cfg, score)
    load_checkpoint(module, cfg, run_dir)
    image = data.test.image.float() / 255
    judged = data.test.content & data.has_mask.view(-1, 1, 1, 1)
    normal, anomalous = judged & ~data.mask, judged & data.mask

    def found(residual: Tensor) -> str:
        maps = smooth(residual, score.k, score.n)
        return f"{auroc(maps[normal].numpy(), maps[anomalous].numpy()):.4f}"

    def shift(reconstruction: Tensor) -> str:
        return f"{(reconstruction - image).mean(dim=1, keepdim=True)[normal].mean():+.4f}"

    trained = reconstruct(module, data.test.image)
    unfolded = build_module(cfg, score)  # with all of its batch norm
    unfolded.load_state_dict(torch.load(checkpoint_of(run_dir), weights_only=True)["state_dict"])
    update_bn([part.float() / 255 for part in data.train.image.split(BATCH)], unfolded)
    clean = reconstruct(unfolded.eval(), data.test.image)
    cells = [data.index.dataset, data.corruption.name, data.noise_sigma, cfg.seed]
    cells += [shift(trained), found(score.residual_map(image, trained))]
    cells += [shift(clean), found(score.residual_map(image, clean))]
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    register()
    columns = "set | corruption | σ | seed | shift | pixel AUROC | shift, clean statistics | pixel AUROC"
    print(f"| {columns} |\n|{'---|' * 8}", flush=True)
    for run_dir in map(Path, sys.argv[1:]):
        print(row(run_dir), flush=True)


if __name__ == "__main__":
    with plainly():
        main()
