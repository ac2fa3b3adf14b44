"""What corruptions cost: milliseconds a batch, beside Kornia's elastic transform, and their share of a quick step.

python experiments/corruption/benchmark.py        # about two minutes; writes benchmark.json beside itself
"""

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

from fae.config import conf_dir, register
from fae.data.seed import TRAIN, generator
from fae.environment import environment
from fae.precision import best_precision

KINDS = ["elastic", "occlusion", "swap", "intensity", "cut_out", "speck", "scratch", "rotation"]
MIXES = ["elastic_occlusion", "elastic_occlusion_rotation", "mix"]
ROUNDS = 30


def leaf(name: str, *overrides: str):
    register()
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        return instantiate(compose("train", list(overrides))[name], _convert_="all")


def medians(work: dict[str, Callable[[int], object]], rounds: int) -> dict[str, float]:
    """Milliseconds; the candidates take turns, so that a busy moment hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for i in tqdm(range(rounds + 2), desc="rounds"):
        for name, function in work.items():
            start = time.perf_counter()
            function(i)
            if i >= 2:  # the first two warm up
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: round(statistics.median(values), 2) for name, values in times.items()}


def quick_step() -> dict[str, float]:
    """A training step of the quick preset at its last crop, and the share of crop, augmentation and corruption."""
    quick = ["experiment=quick", "data=synthetic", "category=wood", "corruption=mix"]
    model = leaf("model", *quick).to(memory_format=torch.channels_last)
    objective, corruption = leaf("objective", *quick), leaf("corruption", *quick)
    optimizer = leaf("optimizer", *quick)(model.parameters())
    clean = torch.rand(8, 3, 128, 128)
    bf16 = best_precision("cpu") == "bf16-mixed"

    def step(i: int) -> None:
        corrupted, mask = corruption(clean, generator(0, TRAIN, i))
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            reconstruction = model(corrupted.contiguous(memory_format=torch.channels_last))
            loss = objective(reconstruction, clean, corrupted, mask).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    times = medians({"step": step, "corruption": lambda i: corruption(clean, generator(0, TRAIN, i))}, ROUNDS)
    return {"quick_step_ms": times["step"], "quick_mix_ms": times["corruption"]} | {
        "quick_share": round(times["corruption"] / times["step"], 4)
    }


def main() -> None:
    image = torch.rand(8, 3, 512, 512)
    kornia = RandomElasticTransform(kernel_size=(63, 63), sigma=(32.0, 32.0), p=1.0)
    work: dict[str, Callable[[int], object]] = {"kornia RandomElasticTransform": lambda i: kornia(image)}
    for name in KINDS + MIXES:
        corruption = leaf("corruption", f"corruption={name}")
        work[name] = lambda i, corruption=corruption: corruption(image, generator(0, TRAIN, i))
    result = {f"{name} (ms, 8x3x512x512)": ms for name, ms in medians(work, ROUNDS).items()}
    result |= quick_step() | environment(torch.device("cpu"))
    Path(__file__).with_name("benchmark.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
