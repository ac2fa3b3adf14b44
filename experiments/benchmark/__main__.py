"""`python -m experiments.benchmark`: the cost of training and scoring on this machine, and its lower bound."""

import json
from concurrent.futures.process import BrokenProcessPool
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from experiments.benchmark.available import available
from experiments.benchmark.config import BenchmarkConfig, register_benchmark
from experiments.benchmark.fitting import MemoryShortError, fitted, gib
from experiments.benchmark.parts import PARTS, measured
from experiments.benchmark.plot import plot
from experiments.benchmark.process import in_process
from experiments.benchmark.subject import Subject
from experiments.benchmark.table import tables
from fae.callback.compiled import keep_kernels_in
from fae.cli import command as cli
from fae.machine.atomic import whole, write_text
from fae.machine.provenance import environment, git_commit
from fae.run.build import quiet

RESULT, PICTURE = "benchmark.json", "benchmark.png"


def benchmark(cfg: DictConfig) -> dict[str, Any]:
    """Measure the parts that the configuration names; print tables, write `benchmark.json` and `benchmark.png`.

    Each part runs in a process of its own. A part that fails for lack of memory does not stop the others.

    Args:
        cfg: a configuration composed from `experiments.benchmark.config`; `run_dir` names the folder of the results,
            by default `benchmarks/<name>`.

    Returns:
        the content of the JSON file.

    Raises:
        ValueError: a value is wrong, in the configuration or in the data, or a part could not be measured; a sentence
            for each such part says why, and what to do.
        InstantiationException: Hydra's wrapper of an error from a leaf's constructor.
        OSError: a file is missing or cannot be written.
    """
    asked = cfg.benchmark
    _check(cfg)
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
        "notes": [],
    } | environment(subject.device)
    console, failed = Console(), []
    for part in asked.parts:
        console.print(f"measuring {part} …", style="dim")
        try:
            result[part] = _measure(part, subject, folder, result["notes"], console)
        except MemoryShortError as error:
            failed.append(str(error))
            continue
        for table in tables(part, result[part]):
            console.print(table)
        write_text(folder / RESULT, json.dumps(result, indent=2) + "\n")
    figure = plot(result)
    if figure is not None:
        with whole(folder / PICTURE) as draft:
            figure.savefig(draft, format="png", dpi=150)
    if any(part in result for part in asked.parts):
        console.print(f"{result['device']}, {result['threads']} threads, {result['precision']}; results in {folder}")
    if failed:
        raise ValueError("; ".join(failed))
    return result


def _check(cfg: DictConfig) -> None:
    asked = cfg.benchmark
    unknown = [part for part in asked.parts if part not in PARTS]
    if unknown or not asked.parts:
        raise ValueError(f"benchmark.parts (={list(asked.parts)}) must name some of {', '.join(PARTS)}")
    for name in ("sides", "batches", "images"):
        if not asked[name] or min(asked[name]) < 1:
            raise ValueError(f"benchmark.{name} (={list(asked[name])}) must hold numbers of at least 1")
    for name in ("memory_gib", "matrix_side"):
        if asked[name] is not None and not asked[name] > 0:
            raise ValueError(f"benchmark.{name} (={asked[name]}) must be positive, or null")


def _measure(part: str, subject: Subject, folder: Path, notes: list[str], console: Console) -> Any:
    """The part's entry in the JSON; notes tell which batches were reduced."""
    wanted = subject.cfg.benchmark.memory_gib
    room = available(subject.device) if wanted is None else int(wanted * 2**30)
    fits = fitted(part, subject, room)
    notes += fits.notes
    for note in fits.notes:
        console.print(note, style="yellow", soft_wrap=True)
    plain = OmegaConf.to_container(subject.cfg)  # with its interpolations: callbacks write to the run's folder
    with TemporaryDirectory(dir=folder, prefix=f".{part}-") as files:
        try:
            return in_process(measured, part, plain, fits, Path(files), room)
        except (BrokenProcessPool, MemoryError, torch.OutOfMemoryError) as error:
            raise MemoryShortError(
                f"{part} was killed, most likely because memory ran out: repeat it with "
                f"benchmark.memory_gib={room / 2**31:.1f}, half of the {gib(room)} that it could use"
            ) from error


def main() -> None:
    """Entry point of the module."""
    register_benchmark()
    cli.run(benchmark, "benchmark", schema=BenchmarkConfig)


if __name__ == "__main__":
    main()
