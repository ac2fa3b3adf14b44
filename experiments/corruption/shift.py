"""Measures by how much reconstructions of normal test pixels are too bright, and what that does to pixel AUROC.

python -m experiments.corruption.shift RUN... > experiments/corruption/shift.csv

Each run is measured in four ways: as trained; with batch norm's statistics from clean training images; with statistics
from damaged training images without the noise anchor; and with the anchor's noise in the test images. In the last way
the noise is subtracted from the reconstruction again, and the mean of four draws counts.
"""

import csv
import json
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
from fae.data.module import DataModule
from fae.data.prepare import Raw
from fae.machine.provenance import environment, git_commit
from fae.metric.auroc import auroc
from fae.module import AnomalyAutoencoder
from fae.run.build import build_module
from fae.run.folder import METRICS, finished_config
from fae.run.network import checkpoint_of, load_weights
from fae.score.smoothing import smooth

BATCH = 8
STEPS = 60  # the last steps of a training
DRAWS = 4
WAYS = ("", "_clean", "_damaged", "_noise")
COLUMNS = [
    *("set", "objective", "corruption", "noise_sigma", "seed"),
    *(f"{measure}{way}" for way in WAYS for measure in ("shift", "pixel_auroc")),
    *("trained_commit", "git_commit", "device"),
]


def reconstruct(module: torch.nn.Module, image: Tensor) -> Tensor:
    """Reconstructions `(N, 3, H, W)` of images of that shape, computed in float32."""
    with torch.inference_mode():
        return torch.cat([module(part) for part in image.split(BATCH)])


def reconstruct_with_noise(module: torch.nn.Module, image: Tensor, sigma: float) -> Tensor:
    """Reconstructions of noisy images, less the noise, which training keeps in its target; the mean of some draws."""
    random = torch.Generator().manual_seed(0)
    noise = [sigma * torch.randn(image.shape, generator=random) for _ in range(DRAWS)]
    return torch.stack([reconstruct(module, image + one) - one for one in noise]).mean(dim=0)


def damaged_without_noise(cfg: DictConfig) -> Iterator[Tensor]:
    """Batches `(B, 3, H, W)` of the last training steps, without the noise anchor."""
    quiet: DataModule = instantiate(cfg.data, noise_sigma=0.0, _convert_="all")
    quiet.setup()
    for step in range(quiet.max_steps - STEPS, quiet.max_steps):
        which = torch.arange(step * BATCH, (step + 1) * BATCH) % len(quiet.train.image)
        yield quiet.training_batch(Raw(quiet.train.image[which], step)).corrupted


def with_statistics(cfg: DictConfig, run_dir: Path, images: Iterable[Tensor]) -> AnomalyAutoencoder:
    """A run's network, with batch norm's statistics from the given batches."""
    module = build_module(cfg, instantiate(cfg.score, _convert_="all"))
    module.load_state_dict(torch.load(checkpoint_of(run_dir), weights_only=True)["state_dict"])
    update_bn(images, module)
    return module.eval()


def row(run_dir: Path) -> list[object]:
    """One run's values of all columns."""
    cfg = finished_config(run_dir)
    data: DataModule = instantiate(cfg.data, _convert_="all")
    data.setup()
    score = instantiate(cfg.score, _convert_="all")
    module = build_module(cfg, score)
    load_weights(module.network, cfg, run_dir)
    image = data.test.image.float() / 255
    judged = data.test.content & data.has_mask.view(-1, 1, 1, 1)
    normal, anomalous = judged & ~data.mask, judged & data.mask

    def told(reconstruction: Tensor) -> list[str]:
        off = (reconstruction - image).mean(dim=1, keepdim=True)[normal].mean()
        maps = smooth(score.residual(image, reconstruction), score.k, score.n)
        return [f"{off:+.4f}", f"{auroc(maps[normal].numpy(), maps[anomalous].numpy()):.4f}"]

    clean = (part.float() / 255 for part in data.train.image.split(BATCH))
    facts = json.loads((run_dir / METRICS).read_text())
    name = data.index.dataset.split(":")[-1]
    cells = [name, facts["objective"], data.preparation.corruption.name, data.preparation.noise_sigma, cfg.seed]
    cells += told(reconstruct(module, image))
    cells += told(reconstruct(with_statistics(cfg, run_dir, clean), image))
    cells += told(reconstruct(with_statistics(cfg, run_dir, damaged_without_noise(cfg)), image))
    cells += (
        told(reconstruct_with_noise(module, image, data.preparation.noise_sigma))
        if data.preparation.noise_sigma
        else ["", ""]
    )
    return [*cells, facts["git_commit"], git_commit(), environment(torch.device("cpu"))["device"]]


def main() -> None:
    register()
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    for run_dir in map(Path, sys.argv[1:]):
        writer.writerow(row(run_dir))
        sys.stdout.flush()


if __name__ == "__main__":
    with plainly():
        main()
