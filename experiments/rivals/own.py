"""Train one rival of this environment for so many seconds and keep what it says of the test images.

python -m experiments.rivals.own fae 120 experiment=quick data=folder category=generic data.root=$PIPED/PA_FVN01_TL

All rivals share images, split, flips, batch and optimiser (the keys of fae.train), the smoothing of their maps, and a
schedule that runs by the clock: the learning rate rises for a tenth of the budget and falls along a cosine. fae and
segmentation share growing crops and their damage as well; the autoencoders see whole, clean images.
Data are loaded before the clock starts. Each leaves a folder in multirun/rivals, which experiments.rivals.score reads.
"""

import json
import math
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor, nn

from experiments.rivals.networks import BottleneckAutoencoder, Segmenter, noisy, parameters
from fae.benchmark.timing import timed
from fae.config import conf_dir, register
from fae.data.module import DataModule, Raw
from fae.environment import environment, git_commit
from fae.files import whole, write_text
from fae.model.autoencoder import SDCAutoencoder
from fae.model.folded import fold_batch_norm
from fae.score.score import Score
from fae.types import Batch, Objective

SWEEP = Path("multirun/rivals")
DENOISING_SIGMA = 0.1
_WARM_UP = 0.1
_LATENCY_ROUNDS = 30

Residual = Callable[[Tensor, Tensor], Tensor]


@dataclass
class Rival:
    """A network, what it minimises, and the map `(B, 1, H, W)` before smoothing that it makes of an image."""

    network: nn.Module
    loss: Callable[[Batch, torch.Generator], Tensor]
    map: Callable[[Tensor], Tensor]
    whole_images: bool = False
    """Whether its code has one size, so that it cannot learn from crops."""


def fae(cfg: DictConfig, side: int, residual: Residual) -> Rival:
    """This project: network and objective of the configuration."""
    network: nn.Module = instantiate(cfg.model, _convert_="all")
    objective: Objective = instantiate(cfg.objective, _convert_="all")
    return Rival(
        network,
        lambda batch, _: objective(network(batch.corrupted), *batch).total,
        lambda image: residual(image, network(image)),
    )


def segmentation(cfg: DictConfig, side: int, residual: Residual) -> Rival:
    """The same network learns to outline the same damage (section 4.4 says it overfits)."""
    network = Segmenter(cfg.model.width)
    return Rival(
        network, lambda batch, _: F.binary_cross_entropy(network(batch.corrupted), batch.corruption_mask), network
    )


def autoencoder(cfg: DictConfig, side: int, residual: Residual, sigma: float = 0.0) -> Rival:
    """A bottleneck, and no damage; with noise in the input for sigma > 0."""
    network = BottleneckAutoencoder(side)
    return Rival(
        network,
        lambda batch, random: F.mse_loss(network(noisy(batch.clean, sigma, random)), batch.clean),
        lambda image: residual(image, network(image)),
        whole_images=True,
    )


RIVALS: dict[str, Callable[[DictConfig, int, Residual], Rival]] = {
    "fae": fae,
    "segmentation": segmentation,
    "autoencoder": autoencoder,
    "denoising": partial(autoencoder, sigma=DENOISING_SIGMA),
}


def rate(progress: float) -> float:
    """Share of the highest learning rate, at a share of the budget."""
    if progress < _WARM_UP:
        return max(0.04, progress / _WARM_UP)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - _WARM_UP) / (1 - _WARM_UP))))


def fit(rival: Rival, data: DataModule, cfg: DictConfig, budget_s: float) -> tuple[int, float]:
    """Train by the clock; returns steps and seconds."""
    optimizer = instantiate(cfg.optimizer, _convert_="all")(rival.network.parameters())
    generator = torch.Generator().manual_seed(cfg.seed)
    if rival.whole_images:
        data.stages = data.stages[-1:]
    rival.network.train().to(memory_format=torch.channels_last)
    image, size = data.train.image, data.batch_size
    order = torch.Generator().manual_seed(cfg.seed)
    queue: list[int] = []
    step, start = 0, time.perf_counter()
    while (progress := (time.perf_counter() - start) / budget_s) < 1:
        while len(queue) < size:
            queue += torch.randperm(len(image), generator=order).tolist()
        which, queue = queue[:size], queue[size:]
        data.max_steps = max(step + 1, round(step / max(progress, 1e-9)))  # crops grow by the clock as well
        batch = data.training_batch(Raw(image[which], step))
        batch = Batch(*(part.contiguous(memory_format=torch.channels_last) for part in batch))
        for group in optimizer.param_groups:
            group["lr"] = cfg.optimizer.lr * rate(progress)
        loss = rival.loss(batch, generator)
        if not loss.isfinite():
            raise FloatingPointError(f"the loss is no number at step {step}")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
    return step, time.perf_counter() - start


def run(name: str, budget_s: float, words: list[str]) -> Path:
    """Train, score and write one rival; returns its folder, at once where it is there already."""
    register()
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        cfg = compose("train", [*words, "run_dir=unused"])
    data: DataModule = instantiate(cfg.data, _convert_="all")
    dataset = data.index.dataset.split(":")[1]
    folder = SWEEP / f"{dataset}-{name}-{budget_s:g}s-seed{cfg.seed}"
    asked = sorted(word for word in words if not word.startswith("data.root="))
    if (folder / "facts.json").is_file():
        before = json.loads((folder / "facts.json").read_text())["words"]
        if before != asked:
            sys.exit(f"{folder} was trained with {before}, not {asked}; move it away")
        print(f"{folder} is there")
        return folder
    data.setup()
    score: Score = instantiate(cfg.score, _convert_="all")
    torch.manual_seed(cfg.seed)
    rival = RIVALS[name](cfg, int(data.train.image.shape[-1]), score.residual_map)
    learned = parameters(rival.network)
    steps, seconds = fit(rival, data, cfg, budget_s)
    rival.network.eval()
    if isinstance(rival.network, SDCAutoencoder):
        fold_batch_norm(rival.network)
    with torch.inference_mode():
        held_out, maps = (
            torch.cat([rival.map(part.float() / 255) for part in split.image.split(8)])
            for split in (data.val, data.test)
        )
        score.calibrate(held_out, data.val.content)
        maps = score.anomaly_map(maps)
        one = data.test.image[:1].float() / 255
        times = [timed(lambda: score.anomaly_map(rival.map(one)), torch.device("cpu")) for _ in range(_LATENCY_ROUNDS)]
    facts = {
        "rival": name,
        "dataset": data.index.dataset,
        "seed": cfg.seed,
        "words": asked,
        "budget_s": budget_s,
        "seconds": round(seconds, 1),
        "steps": steps,
        "images_seen": steps * data.batch_size,
        "train_images": len(data.train.samples),
        "image_size": int(maps.shape[-1]),
        "parameters": learned,
        "latency_ms": round(1e3 * float(np.median(times)), 2),
        "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "own_score": score.image_score.name,
        "git_commit": git_commit(),
    } | environment(torch.device("cpu"))
    folder.mkdir(parents=True, exist_ok=True)
    with whole(folder / "maps.npz") as draft, draft.open("wb") as file:
        np.savez_compressed(
            file,
            anomaly_map=maps[:, 0].numpy(),
            image_score=score.image_score(maps).numpy(),
            path=np.array([str(sample.path) for sample in data.test.samples]),
        )
    write_text(folder / "facts.json", json.dumps(facts, indent=2) + "\n")
    print(f"{folder}: {steps} steps in {seconds:.0f} s")
    return folder


def main(arguments: list[str] | None = None) -> None:
    words = sys.argv[1:] if arguments is None else arguments
    if len(words) < 2 or words[0] not in RIVALS:
        sys.exit(f"usage: python -m experiments.rivals.own {{{','.join(RIVALS)}}} SECONDS KEY=VALUE...")
    run(words[0], float(words[1]), words[2:])


if __name__ == "__main__":
    main()
