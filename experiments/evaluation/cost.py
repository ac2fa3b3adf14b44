"""Measures what pixel metrics cost: both engines of this project beside torchmetrics, in turn.

python -m experiments.evaluation.cost MACHINE      # two minutes on an idle machine; writes MACHINE/cost.json
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from experiments.benchmark.memory import peak
from experiments.benchmark.plain import plain_auroc
from experiments.benchmark.process import in_process
from fae.machine.provenance import environment, git_commit
from fae.metric.auroc import auroc
from fae.metric.pixel import exact
from fae.metric.streaming import StreamingPixelMetrics

IMAGES, SIDE, ROUNDS = 83, 512, 5  # MVTec AD's bottle has 83 test images


def draw() -> tuple[torch.Tensor, torch.Tensor]:
    """Maps with heavy tails, as squared residuals have, and masks with two defects in three images of four."""
    rng = np.random.default_rng(0)
    mask = np.zeros((IMAGES, 1, SIDE, SIDE), dtype=bool)
    for i in range(IMAGES):
        for _ in range(2 if i % 4 else 0):
            y, x = rng.integers(0, SIDE - 60, 2)
            height, width = rng.integers(8, 60, 2)
            mask[i, 0, y : y + height, x : x + width] = True
    maps = (rng.lognormal(-9, 2, mask.shape) * np.where(mask, 5, 1)).astype(np.float32)
    return torch.from_numpy(maps), torch.from_numpy(mask)


def streaming(maps: torch.Tensor, mask: torch.Tensor) -> None:
    metric = StreamingPixelMetrics(regions=True)
    for one, target in zip(maps.split(16), mask.split(16), strict=True):
        metric.update(one, target)
    metric.compute()


def exact_auroc(maps: torch.Tensor, mask: torch.Tensor) -> None:
    scores, targets = maps.numpy(), mask.numpy()
    auroc(scores[~targets], scores[targets])


def exact_everything(maps: torch.Tensor, mask: torch.Tensor) -> None:
    exact(maps[:, 0].numpy(), mask[:, 0].numpy(), np.ones(mask[:, 0].shape, dtype=bool))


WAYS: dict[str, Callable[[torch.Tensor, torch.Tensor], object]] = {
    "torchmetrics BinaryAUROC, exact": plain_auroc,
    "streaming: AUROC, AP, F1, AUPRO": streaming,
    "exact AUROC": exact_auroc,
    "exact: AUROC, AP, F1, AUPRO": exact_everything,
}


def extra_mib(name: str) -> float:
    maps, mask = draw()
    WAYS[name](maps[:2], mask[:2])  # loads what is loaded once, which is no cost of the metrics
    with peak(torch.device("cpu")) as found:
        WAYS[name](maps, mask)
    return found[0] / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("machine", help="the machine's name, which becomes the folder of the result")
    path = Path(__file__).parent / parser.parse_args().machine / "cost.json"
    maps, mask = draw()
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(ROUNDS):
        for name, way in WAYS.items():
            start = time.perf_counter()
            way(maps, mask)
            seconds[name].append(time.perf_counter() - start)
    results = {
        name: {"seconds": statistics.median(seconds[name]), "extra_mib": in_process(extra_mib, name)} for name in WAYS
    }
    reference = results["torchmetrics BinaryAUROC, exact"]["seconds"]
    table = Table(title=f"{IMAGES} maps of {SIDE}×{SIDE}, median of {ROUNDS} rounds in turn")
    for column in ("", "s", "times faster", "extra MiB"):
        table.add_column(column, justify="right" if column else "left")
    for name, result in results.items():
        result["times_faster"] = reference / result["seconds"]
        table.add_row(name, f"{result['seconds']:.3f}", f"{result['times_faster']:.1f}", f"{result['extra_mib']:.0f}")
    Console().print(table)
    facts = {"git_commit": git_commit()} | environment(torch.device("cpu"))
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"results": results} | facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
