"""Bulk prediction: images a second against an earlier commit, and memory over very many images.

python -m experiments.deploy.bulk speed RUN IMAGES --before CLONE RUN_OF_CLONE    # bulk.csv
python -m experiments.deploy.bulk memory RUN IMAGES --count 100000                # bulk_memory.csv

IMAGES is a folder of pictures, each of which is linked as often as is needed. `speed` runs `python -m fae.predict` of
both commits in turns, with all files that it can write and with the table alone, on two numbers of images, so that the
time of starting is left out. `memory` samples the anonymous memory of one run
each second, and keeps the most of each hundredth of the time.
"""

import argparse
import itertools
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from fae.cli.command import plainly
from fae.image import all_images_in
from fae.machine.provenance import git_commit

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WITHOUT = ("write.map=false", "write.mask=false", "write.overlay=false")


class Candidate(NamedTuple):
    """A checkout of this project, and a run that it reads."""

    name: str
    checkout: Path
    run_dir: Path


@contextmanager
def links(images: Path, count: int) -> Iterator[Path]:
    """Yield a folder of so many links to pictures, a thousand in each sub-folder."""
    files = sorted(all_images_in(images))
    with tempfile.TemporaryDirectory() as folder:
        for i, file in zip(range(count), itertools.cycle(files), strict=False):
            link = Path(folder) / f"{i // 1000:04d}" / f"{i:07d}{file.suffix}"
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(file.resolve())
        yield Path(folder)


def begin(of: Candidate, images: Path, output: Path, words: tuple[str, ...]) -> subprocess.Popen[bytes]:
    """Begin `python -m fae.predict` of a checkout."""
    path = os.pathsep.join(map(str, (of.checkout, of.checkout / "runtime")))
    command = [sys.executable, "-m", "fae.predict", f"run_dir={of.run_dir}", f"input={images}", f"output={output}"]
    return subprocess.Popen(
        [*command, *words], cwd=of.checkout, env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.DEVNULL
    )


def seconds(of: Candidate, images: Path, words: tuple[str, ...]) -> float:
    """Return how long a command takes, from its start to its end."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        process = begin(of, images, Path(folder) / "o", words)
        if process.wait():
            raise ValueError(f"fae.predict of {of.name} ended with exit code {process.returncode}")
        return time.perf_counter() - start


def speed(candidates: list[Candidate], images: Path, count: int, rounds: int) -> pd.DataFrame:
    """Return a row for each candidate and kind of output; two counts of images tell starting from scoring."""
    few = max(1, count // 10)
    rows = []
    with links(images, few) as some, links(images, count) as many:
        for turn, (kind, words), of in itertools.product(range(rounds), _KINDS.items(), candidates):
            start, end = seconds(of, some, words), seconds(of, many, words)
            rate = (count - few) / (end - start)
            rows.append({"kind": kind, "candidate": of.name, "round": turn, "images_a_second": rate, "seconds": end})
            print(rows[-1], flush=True)
    table = (
        pd.DataFrame(rows).groupby(["kind", "candidate"])[["images_a_second", "seconds"]].agg(["median", "min", "max"])
    )
    table.columns = ["_".join(names) for names in table.columns]
    return table.reset_index().assign(images=count, rounds=rounds)


_KINDS: dict[str, tuple[str, ...]] = {"map, mask and overlay": (), "table alone": WITHOUT}


def memory(of: Candidate, images: Path, count: int) -> pd.DataFrame:
    """Return the anonymous memory of a run in MiB, second by second."""
    rows = []
    with links(images, count) as many, tempfile.TemporaryDirectory() as folder:
        process, start = begin(of, many, Path(folder) / "o", WITHOUT), time.perf_counter()
        while process.poll() is None:
            try:
                status = Path(f"/proc/{process.pid}/status").read_text()
            except OSError:  # it has just ended
                break
            if found := re.search(r"RssAnon:\s+(\d+)", status):
                rows.append((time.perf_counter() - start, int(found[1]) / 1024))
            time.sleep(1)
        if process.wait():
            raise ValueError(f"fae.predict ended with exit code {process.returncode}")
    return highest(pd.DataFrame(rows, columns=["seconds", "mib"])).assign(images=count)


def highest(samples: pd.DataFrame, parts: int = 100) -> pd.DataFrame:
    """Return the sample of most memory (`mib`) of each of equal parts of the time (`seconds`)."""
    part = (samples["seconds"] / samples["seconds"].max() * parts).clip(upper=parts - 1).astype(int)
    return samples.loc[samples.groupby(part)["mib"].idxmax()]


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "memory"])
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("images", type=Path, help="folder of pictures")
    parser.add_argument("--before", type=Path, nargs=2, help="checkout of an earlier commit, and a run that it reads")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args(words)
    now = Candidate("now", ROOT, asked.run.resolve())
    if asked.what == "memory":
        table = memory(now, asked.images, asked.count).assign(git_commit=git_commit())
        table.to_csv(HERE / "bulk_memory.csv", index=False, float_format="%.4g")
        after = table[table["seconds"] > table["seconds"].max() / 10]
        print(f"{after['mib'].min():.0f} to {after['mib'].max():.0f} MiB after the first tenth of the time")
        return
    before = [] if asked.before is None else [Candidate("before", *(path.resolve() for path in asked.before))]
    table = speed([*before, now], asked.images, asked.count, asked.rounds).assign(git_commit=git_commit())
    table.to_csv(HERE / "bulk.csv", index=False, float_format="%.4g")
    print(table.to_string(index=False))


if __name__ == "__main__":
    with plainly():
        main()
