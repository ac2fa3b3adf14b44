"""What pixel metrics cost: our two engines against torchmetrics, in one run, in turn; prints a table, writes JSON.

python experiments/evaluation/benchmark.py      # a minute or two; on an idle machine
"""

import json
import multiprocessing
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torchmetrics.classification import BinaryAUROC

from fae.environment import environment, git_commit
from fae.metric.auroc import auroc
from fae.metric.pixel import exact
from fae.metric.streaming import StreamingPixelMetrics

IMAGES, SIDE, ROUNDS = 83, 512, 5  # as many as MVTec AD's screw has, or bottle


def draw() -> tuple[torch.Tensor, torch.Tensor]:
    """Heavy-tailed scores as of squared residuals, and masks of two defects in three of four images."""
    rng = np.random.default_rng(0)
    mask = np.zeros((IMAGES, 1, SIDE, SIDE), dtype=bool)
    for i in range(IMAGES):
        for _ in range(2 if i % 4 else 0):
            y, x = rng.integers(0, SIDE - 60, 2)
            height, width = rng.integers(8, 60, 2)
            mask[i, 0, y : y + height, x : x + width] = True
    maps = (rng.lognormal(-9, 2, mask.shape) * np.where(mask, 5, 1)).astype(np.float32)
    return torch.from_numpy(maps), torch.from_numpy(mask)


def torchmetrics_auroc(maps: torch.Tensor, mask: torch.Tensor) -> None:
    metric = BinaryAUROC(validate_args=False)
    for one, target in zip(maps, mask, strict=True):
        metric.update(one.clamp(max=1), target.long())  # scores above 1 it would squash by a sigmoid
    metric.compute()


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


WAYS: dict[str, Callable[[torch.Tensor, torch.Tensor], None]] = {
    "torchmetrics BinaryAUROC, exact": torchmetrics_auroc,
    "streaming: AUROC, AP, F1, AUPRO": streaming,
    "exact AUROC": exact_auroc,
    "exact: AUROC, AP, F1, AUPRO": exact_everything,
}


def peak(name: str, answer: "multiprocessing.Queue[float]") -> None:
    maps, mask = draw()
    WAYS[name](maps[:2], mask[:2])  # what is loaded once is no cost of the scores
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = _resident("VmHWM")
    WAYS[name](maps, mask)
    answer.put((_resident("VmHWM") - before) / 1024)


def _resident(kind: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind))


def main() -> None:
    maps, mask = draw()
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(ROUNDS):
        for name, way in WAYS.items():
            start = time.perf_counter()
            way(maps, mask)
            seconds[name].append(time.perf_counter() - start)
    context = multiprocessing.get_context("spawn")
    results = {}
    for name in WAYS:
        answer = context.Queue()
        process = context.Process(target=peak, args=(name, answer))
        process.start()
        results[name] = {"seconds": statistics.median(seconds[name]), "extra_mib": answer.get()}
        process.join()
    reference = results["torchmetrics BinaryAUROC, exact"]["seconds"]
    table = Table(title=f"{IMAGES} maps of {SIDE}×{SIDE}, median of {ROUNDS} rounds in turn")
    for column in ("", "s", "times faster", "extra MiB"):
        table.add_column(column, justify="right" if column else "left")
    for name, result in results.items():
        result["times_faster"] = reference / result["seconds"]
        table.add_row(name, f"{result['seconds']:.3f}", f"{result['times_faster']:.1f}", f"{result['extra_mib']:.0f}")
    Console().print(table)
    facts = {"git_commit": git_commit()} | environment(torch.device("cpu"))
    Path(__file__).with_suffix(".json").write_text(json.dumps({"results": results} | facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
