"""How far off in brightness a run's reconstructions are on normal test pixels, and what that does to its pixel AUROC.

python experiments/corruption/shift.py RUN...        # prints a Markdown table

As trained; with batch norm's statistics from clean training images, and from damaged ones without the noise anchor; and
with the anchor's noise in the test images as well, taken off again, the mean of four draws.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor
from torch.optim.swa_utils import update_bn

from fae.cli.command import plainly
from fae.cli.schema import register
from fae.data.module import DataModule, Raw
from fae.metric.auroc import auroc
from fae.module import FilteringAutoencoder
from fae.run.build import build_module, checkpoint_of, load_checkpoint
from fae.run.folder import finished_config
from fae.score.smoothing import smooth

BATCH = 8
STEPS = 60  # the last ones of a training
DRAWS = 4


def reconstruct(module: torch.nn.Module, image: Tensor) -> Tensor:
    """`(N, 3, H, W)` float32, in float32 arithmetic."""
    with torch.inference_mode():
        return torch.cat([module(part) for part in image.split(BATCH)])


def reconstruct_with_noise(module: torch.nn.Module, image: Tensor, sigma: float) -> Tensor:
    """The same of images with noise, which training keeps in its target: taken off, the mean of some draws."""
    random = torch.Generator().manual_seed(0)
    noise = [sigma * torch.randn(image.shape, generator=random) for _ in range(DRAWS)]
    return torch.stack([reconstruct(module, image + one) - one for one in noise]).mean(dim=0)


def damaged_without_noise(cfg: DictConfig) -> Iterator[Tensor]:
    """Batches `(B, 3, H, W)` as training had them in its last steps, but for the noise anchor."""
    quiet: DataModule = instantiate(cfg.data, noise_sigma=0.0, _convert_="all")
    quiet.setup()
    for step in range(quiet.max_steps - STEPS, quiet.max_steps):
        which = torch.arange(step * BATCH, (step + 1) * BATCH) % len(quiet.train.image)
        yield quiet.training_batch(Raw(quiet.train.image[which], step)).corrupted


def with_statistics(cfg: DictConfig, run_dir: Path, images: Iterable[Tensor]) -> FilteringAutoencoder:
    """A run's network, with batch norm's statistics from these batches."""
    module = build_module(cfg, instantiate(cfg.score, _convert_="all"))
    module.load_state_dict(torch.load(checkpoint_of(run_dir), weights_only=True)["state_dict"])
    update_bn(images, module)
    return module.eval()


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

    def told(reconstruction: Tensor) -> list[str]:
        off = (reconstruction - image).mean(dim=1, keepdim=True)[normal].mean()
        maps = smooth(score.residual(image, reconstruction), score.k, score.n)
        return [f"{off:+.4f}", f"{auroc(maps[normal].numpy(), maps[anomalous].numpy()):.4f}"]

    clean = (part.float() / 255 for part in data.train.image.split(BATCH))
    cells = [data.index.dataset.split(":")[-1], data.corruption.name, data.noise_sigma, cfg.seed]
    cells += told(reconstruct(module, image))
    cells += told(reconstruct(with_statistics(cfg, run_dir, clean), image))
    cells += told(reconstruct(with_statistics(cfg, run_dir, damaged_without_noise(cfg)), image))
    cells += told(reconstruct_with_noise(module, image, data.noise_sigma)) if data.noise_sigma else ["", ""]
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    register()
    ways = ("", ", clean statistics", ", damaged statistics", ", noise in the test images")
    columns = ["set", "corruption", "σ", "seed"] + [name for way in ways for name in (f"shift{way}", "pixel AUROC")]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)
    for run_dir in map(Path, sys.argv[1:]):
        print(row(run_dir), flush=True)


if __name__ == "__main__":
    with plainly():
        main()
