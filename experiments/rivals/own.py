"""Trains one rival of this environment for a given number of seconds and keeps its maps of the test images.

python -m experiments.rivals.own fae 120 experiment=quick data=folder category=generic data.root=$PIPED/PA_FVN01_TL

All rivals share images, split, flips, batch and optimiser (the keys of fae.train), the smoothing of their maps, and a
schedule by the clock: the learning rate rises for a tenth of the budget and falls along a cosine. The rivals fae and
segmentation also share growing crops and damage. The autoencoders see whole, clean images.

The clock is the processor time of one thread, which other work on the machine hardly changes. It starts after the data
are loaded. Each rival leaves a folder in multirun/rivals, which experiments.rivals.score reads. With --watch the folder
also holds along.csv: the AUROC during training on test images, which nothing uses, and on synthetic damage in held-out
images.
"""

import argparse
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
import pandas as pd
import torch
import torch.nn.functional as F
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor, nn

from experiments.ranking import ranked
from experiments.rivals.networks import BottleneckAutoencoder, Segmenter, noisy, parameters
from fae.cli.command import plainly
from fae.cli.schema import conf_dir, register
from fae.data.module import DataModule
from fae.data.prepare import Raw
from fae.machine.atomic import whole, write_text
from fae.machine.provenance import environment, git_commit
from fae.model.folded import fold_batch_norm
from fae.score.score import Score
from fae.types import Batch, Objective

SWEEP = Path("multirun/rivals")
FACTS, ALONG = "facts.json", "along.csv"
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
    """Whether the network needs images of one size, so that it cannot learn from crops."""


def fae(cfg: DictConfig, side: int, residual: Residual) -> Rival:
    """This project's network and objective, as configured."""
    network: nn.Module = instantiate(cfg.model, _convert_="all")
    objective: Objective = instantiate(cfg.objective, _convert_="all")
    return Rival(
        network,
        lambda batch, _: objective(network(batch.corrupted), *batch).total,
        lambda image: residual(image, network(image)),
    )


def segmentation(cfg: DictConfig, side: int, residual: Residual) -> Rival:
    """The paper's network, trained to outline the damage; section 4.4 says that it overfits."""
    network = Segmenter(cfg.model.width)
    return Rival(
        network, lambda batch, _: F.binary_cross_entropy(network(batch.corrupted), batch.corruption_mask), network
    )


def autoencoder(cfg: DictConfig, side: int, residual: Residual, sigma: float = 0.0) -> Rival:
    """An autoencoder with a bottleneck and without damage; `sigma` > 0 adds noise to the input."""
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
    """Learning rate as a share of the highest one, at `progress`, the spent share of the budget."""
    if progress < _WARM_UP:
        return max(0.04, progress / _WARM_UP)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - _WARM_UP) / (1 - _WARM_UP))))


def undamaged(image: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A corruption that does nothing, for rivals that learn without damage, which should not pay for it."""
    return image, torch.zeros_like(image[:, :1])


def fit(
    rival: Rival, data: DataModule, cfg: DictConfig, budget_s: float, watch: Callable[[int, float, float], None]
) -> tuple[int, float]:
    """Train by the clock. Returns steps and seconds; `watch` gets step, seconds and loss at each power of two steps."""
    optimizer = instantiate(cfg.optimizer, _convert_="all")(rival.network.parameters())
    generator = torch.Generator().manual_seed(cfg.seed)
    if rival.whole_images:
        data.stages, data.preparation.corruption = data.stages[-1:], undamaged
    rival.network.train().to(memory_format=torch.channels_last)
    image, size = data.train.image, data.batch_size
    order = torch.Generator().manual_seed(cfg.seed)
    queue: list[int] = []
    step, spent = 0, 0.0
    while (progress := spent / budget_s) < 1:
        start = time.process_time()
        while len(queue) < size:
            queue += torch.randperm(len(image), generator=order).tolist()
        which, queue = queue[:size], queue[size:]
        data.max_steps = max(step + 1, round(step / max(progress, 1e-9)))  # crops grow by the clock, too
        batch = data.training_batch(Raw(image[which], step))
        batch = batch.each(lambda part: part.contiguous(memory_format=torch.channels_last))
        for group in optimizer.param_groups:
            group["lr"] = cfg.optimizer.lr * rate(progress)
        loss = rival.loss(batch, generator)
        if not loss.isfinite():
            raise FloatingPointError(f"the loss is not finite at step {step}")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        spent += time.process_time() - start
        if step & (step - 1) == 0:
            watch(step, spent, float(loss.detach()))
    return step, spent


def anomaly_maps(rival: Rival, data: DataModule, score: Score) -> Tensor:
    """Maps of the test images `(N, 1, H, W)`; the image score is calibrated on the held-out images."""
    with torch.inference_mode():
        held_out, found = (
            torch.cat([rival.map(part.float() / 255) for part in split.image.split(8)])
            for split in (data.val, data.test)
        )
        score.calibrate(held_out, data.val.content)
        return score.anomaly_map(found)


def synthetic_auroc(rival: Rival, data: DataModule, score: Score) -> float:
    """Pixel AUROC on held-out images with training damage, which counts where its mask exceeds a half.

    The value is NaN for a rival that learns without damage.
    """
    damage, found = [], []
    with torch.inference_mode():
        for batch in data.damaged():
            damage.append(batch.corruption_mask > 0.5)
            found.append(score.anomaly_map(rival.map(batch.corrupted)))
    return ranked(torch.cat(found).flatten().numpy(), torch.cat(damage).flatten().numpy())


def latency_ms(scored: Callable[[Tensor], Tensor], image: Tensor) -> float:
    """Processor time in ms from one image in memory to its map, the median of many rounds."""
    times = []
    with torch.inference_mode():
        for _ in range(_LATENCY_ROUNDS):
            start = time.process_time()
            scored(image)
            times.append(time.process_time() - start)
    return 1e3 * float(np.median(times))


def run(name: str, budget_s: float, words: list[str], watched: bool = False) -> Path:
    """Train, score and write one rival, unless its folder is there already; returns the folder."""
    if not 0 < budget_s < math.inf:
        raise ValueError(f"SECONDS (={budget_s:g}) must be positive and finite")
    register()
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        cfg = compose("train", [*words, "run_dir=unused"])
    data: DataModule = instantiate(cfg.data, _convert_="all")
    dataset = data.index.dataset.split(":")[1]
    folder = SWEEP / f"{dataset}-{name}-{budget_s:g}s-seed{cfg.seed}"
    asked = sorted(word for word in words if not word.startswith("data.root="))
    if (folder / FACTS).is_file():
        before = json.loads((folder / FACTS).read_text())["words"]
        if before != asked:
            sys.exit(f"{folder} was trained with {before}, not {asked}; move it away")
        print(f"{folder} is there")
        return folder
    torch.set_num_threads(1)
    data.setup()
    score: Score = instantiate(cfg.score, _convert_="all")
    torch.manual_seed(cfg.seed)
    rival = RIVALS[name](cfg, int(data.train.image.shape[-1]), score.residual)
    learned = parameters(rival.network)
    seen: list[dict[str, float]] = []

    def watch(step: int, seconds: float, loss: float) -> None:
        if not watched:
            return
        rival.network.eval()
        maps, usable = anomaly_maps(rival, data, score)[data.has_mask], data.mask[data.has_mask]
        found = {
            "test_pixel_auroc": ranked(maps.flatten().numpy(), usable.flatten().numpy()),
            "synthetic_pixel_auroc": synthetic_auroc(rival, data, score),
        }
        seen.append({"step": step, "seconds": seconds, "loss": loss} | found)
        rival.network.train()

    start = time.perf_counter()
    steps, seconds = fit(rival, data, cfg, budget_s, watch)
    wall = time.perf_counter() - start
    watch(steps, seconds, math.nan)
    fold_batch_norm(rival.network)
    maps = anomaly_maps(rival, data, score)
    facts = {
        "rival": name,
        "dataset": data.index.dataset,
        "seed": cfg.seed,
        "words": asked,
        "budget_s": budget_s,
        "seconds": round(seconds, 1),
        "wall_s": round(wall, 1),
        "steps": steps,
        "images_seen": steps * data.batch_size,
        "train_images": len(data.train.samples),
        "image_size": int(maps.shape[-1]),
        "parameters": learned,
        "latency_ms": round(
            latency_ms(lambda one: score.anomaly_map(rival.map(one)), data.test.image[:1].float() / 255), 2
        ),
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
    if watched:
        write_text(folder / ALONG, pd.DataFrame(seen).to_csv(index=False))
    write_text(folder / FACTS, json.dumps(facts, indent=2) + "\n")
    print(f"{folder}: {steps} steps in {seconds:.0f} s")
    return folder


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=RIVALS)
    parser.add_argument("seconds", type=float, help="seconds of training on one thread")
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE", help="keys of fae.train")
    parser.add_argument("--watch", action="store_true", help="keep the test AUROC during training")
    asked = parser.parse_intermixed_args(arguments)
    run(asked.name, asked.seconds, asked.words, asked.watch)


if __name__ == "__main__":
    with plainly():
        main()
