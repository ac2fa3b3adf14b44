"""Measures what corruptions cost: milliseconds a batch, beside Kornia's elastic transform, and their share of a step.

python -m experiments.corruption.cost MACHINE        # about three minutes; writes MACHINE/cost.json beside this file
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from kornia.augmentation import RandomElasticTransform
from tqdm import tqdm

from fae.cli.schema import conf_dir, register
from fae.data.prepare import Raw
from fae.data.seed import TRAIN, generator
from fae.machine.precision import best_precision
from fae.machine.provenance import environment, git_commit
from fae.types import Batch

GEOMETRIC = ["elastic", "swap", "rotation"]
PASTED = ["occlusion", "cut_out", "speck", "scratch"]
CHANGED = ["intensity", "motion_blur", "plasma"]
MIXES = ["elastic_occlusion", "elastic_occlusion_rotation", "mix"]
ROUNDS = 30


def leaf(name: str, *overrides: str):
    """What one group of the configuration builds."""
    register()
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        return instantiate(compose("train", list(overrides))[name], _convert_="all")


def medians(work: dict[str, Callable[[int], object]], rounds: int) -> dict[str, float]:
    """Milliseconds of each candidate. The candidates take turns, so that a busy moment slows all of them alike."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for i in tqdm(range(rounds + 2), desc="rounds"):
        for name, function in work.items():
            start = time.perf_counter()
            function(i)
            if i >= 2:  # the first two rounds warm up
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: round(statistics.median(values), 2) for name, values in times.items()}


def quick_step() -> dict[str, float]:
    """Time of a quick step in each crop stage, and the share of it for crop, augmentation and corruption."""
    quick = ["experiment=quick", "data=synthetic", "category=wood", "corruption=mix"]
    data, objective = leaf("data", *quick), leaf("objective", *quick)
    data.setup()
    model = leaf("model", *quick).to(memory_format=torch.channels_last)
    optimizer = leaf("optimizer", *quick)(model.parameters())
    bf16 = best_precision("cpu") == "bf16-mixed"
    figures = {}
    for stage, (height, _) in enumerate(data.stages):
        first = stage * data.max_steps // len(data.stages) + 1

        def prepare(i: int, first: int = first) -> Batch:
            return data.training_batch(Raw(data.train.image[:8], first + i))

        def step(i: int) -> None:
            batch = prepare(i)
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                loss = objective(model(batch.corrupted.contiguous(memory_format=torch.channels_last)), *batch).total
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        times = medians({"step": step, "prepare": prepare}, 2 * ROUNDS)
        figures |= {
            f"quick step at {height} px (ms)": times["step"],
            f"of which crop, augmentation and mix at {height} px (ms)": times["prepare"],
            f"share at {height} px": round(times["prepare"] / times["step"], 4),
        }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("machine", help="the machine's name, which becomes the folder of the result")
    path = Path(__file__).parent / parser.parse_args().machine / "cost.json"
    image = torch.rand(8, 3, 512, 512)
    kornia = RandomElasticTransform(kernel_size=(63, 63), sigma=(32.0, 32.0), p=1.0)
    work: dict[str, Callable[[int], object]] = {"kornia RandomElasticTransform": lambda i: kornia(image)}
    for name in GEOMETRIC + PASTED + CHANGED + MIXES:
        corruption = leaf("corruption", f"corruption={name}")
        work[name] = lambda i, corruption=corruption: corruption(image, generator(0, TRAIN, i))
    result = {f"{name} (ms, 8x3x512x512)": ms for name, ms in medians(work, ROUNDS).items()}
    result |= quick_step() | environment(torch.device("cpu")) | {"git_commit": git_commit()}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
