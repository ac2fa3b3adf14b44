"""`python -m experiments.benchmark`: what training and scoring cost here, and what they must cost at least."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console

from experiments.benchmark.config import BenchmarkConfig, register_benchmark
from experiments.benchmark.inference import inference
from experiments.benchmark.layers import layers
from experiments.benchmark.memory import memory
from experiments.benchmark.plot import plot
from experiments.benchmark.scale import data_scale, scale
from experiments.benchmark.subject import Subject
from experiments.benchmark.switches import switches
from experiments.benchmark.table import tables
from experiments.benchmark.training import training
from fae.callback.compiled import keep_kernels_in
from fae.cli import command as cli
from fae.machine.atomic import whole, write_text
from fae.machine.provenance import environment, git_commit
from fae.run.build import quiet

RESULT, PICTURE = "benchmark.json", "benchmark.png"
_STEPS = 20  # of a run of part data


def benchmark(cfg: DictConfig) -> dict[str, Any]:
    """Measure what is asked for; print tables, write `benchmark.json` and `benchmark.png`.

    Args:
        cfg: composed from `experiments.benchmark.config`; `run_dir` names the folder, by default `benchmarks/<name>`.

    Returns:
        what the JSON holds.

    Raises:
        ValueError: a value is wrong, in the configuration or in the data.
        InstantiationException: Hydra's wrapper of an error from a leaf's constructor.
        OSError: a file is missing or cannot be written.
    """
    asked = cfg.benchmark
    parts: dict[str, Callable[[Subject, Path], Any]] = {
        "training": lambda subject, folder: training(subject, folder, asked.seconds),
        "inference": lambda subject, folder: inference(subject, asked.seconds, asked.batches, asked.sides),
        "memory": lambda subject, folder: memory(subject.cfg, asked.batches, asked.sides),
        "switches": lambda subject, folder: switches(subject, asked.seconds),
        "layers": lambda subject, folder: layers(subject, asked.seconds / 60),
        "scale": lambda subject, folder: scale(subject.cfg),
        "data": lambda subject, folder: data_scale(subject.cfg, folder, asked.images, _STEPS),
    }
    unknown = [part for part in asked.parts if part not in parts]
    if unknown or not asked.parts:
        raise ValueError(f"benchmark.parts (={list(asked.parts)}) must name some of {', '.join(parts)}")
    for name in ("sides", "batches", "images"):
        if not asked[name] or min(asked[name]) < 1:
            raise ValueError(f"benchmark.{name} (={list(asked[name])}) must hold numbers of at least 1")
    quiet()
    keep_kernels_in(Path(cfg.cache_dir) / "compiled")
    subject = Subject(cfg)
    data = subject.data
    name = f"{cfg.model.width}-{'x'.join(map(str, data.stages[-1]))}-{data.batch_size}-{cfg.trainer.precision}"
    folder = Path(cfg.run_dir or Path("benchmarks") / name)
    folder.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {
        "width": cfg.model.width,
        "crop": list(data.stages[-1]),
        "batch_size": data.batch_size,
        "precision": str(cfg.trainer.precision),
        "dataset": data.index.dataset,
        "git_commit": git_commit(),
        "date": date.today().isoformat(),
    } | environment(subject.device)
    console = Console()
    for part in asked.parts:
        console.print(f"measuring {part} …", style="dim")
        result[part] = parts[part](subject, folder)
        for table in tables(part, result[part]):
            console.print(table)
        write_text(folder / RESULT, json.dumps(result, indent=2) + "\n")
    figure = plot(result)
    if figure is not None:
        with whole(folder / PICTURE) as draft:
            figure.savefig(draft, format="png", dpi=150)
    console.print(f"{result['device']}, {result['threads']} threads, {result['precision']}; results in {folder}")
    return result


def main() -> None:
    """Entry point of the module."""
    register_benchmark()
    cli.run(benchmark, "benchmark", schema=BenchmarkConfig)


if __name__ == "__main__":
    main()
