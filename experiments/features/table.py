"""Collects what runs and memories found into results.csv, and prints the table of the page.

python -m experiments.features.table RUN... --memories multirun/features --out experiments/features/results.csv

Each run gives one row by its metrics.json, and each memory one by its JSON file. A method is named by space, objective
and head.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fae.cli.command import plainly

HERE = Path(__file__).parent
MEASURES = ("image_auroc", "pixel_auroc", "aupro_0.3")
_FACTS = ("seconds", "ms_an_image", "mib", "git_commit", "device")
_SHORT = 7


def method(found: dict[str, Any]) -> str:
    """Name the method of a run or a memory."""
    if "rival" in found:
        return str(found["rival"])
    parts = (found["space"], found["objective"], found["head"])
    return " ".join(part for part in parts if part != "none")


def row(found: dict[str, Any]) -> dict[str, Any]:
    """Return what the table keeps of a run or a memory."""
    kept = {key: found.get(key) for key in (*MEASURES, *_FACTS)}
    commit, _, changed = str(kept["git_commit"]).partition("+")
    kept["git_commit"] = commit[:_SHORT] + ("+" if changed else "")
    which = {"set": found["dataset"].removeprefix("folder:"), "method": method(found), "seed": found["seed"]}
    return which | kept


def trivial(found: dict[str, Any]) -> dict[str, Any]:
    """Return the row of the best statistic without learning, which the test labels choose."""
    best = {key: found[f"trivial_{key}"] for key in MEASURES[:2]}
    return {"set": found["dataset"].removeprefix("folder:"), "method": "without learning"} | best


def collect(runs: Sequence[Path], memories: Path | None) -> pd.DataFrame:
    """Return a row for each run and memory, and one for each set without learning."""
    files = [run / "metrics.json" for run in runs] + (sorted(memories.glob("*.json")) if memories else [])
    found = [json.loads(path.read_text()) for path in files]
    rows = [row(one) for one in found] + [trivial(one) for one in {one["dataset"]: one for one in found}.values()]
    return pd.DataFrame(rows).sort_values(["set", "method", "seed"])


def shown(table: pd.DataFrame) -> str:
    """Return means over seeds, a line for each set and a column for each method, image and pixel AUROC in a cell."""
    means = table.groupby(["set", "method"])[list(MEASURES[:2])].mean()
    cells = means.apply(lambda one: f"{one.iloc[0]:.3f}, {one.iloc[1]:.3f}", axis=1)
    wide = cells.unstack("method").fillna("").reset_index()
    lines = [list(wide.columns), ["---"] * len(wide.columns), *wide.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of finished runs")
    parser.add_argument("--memories", type=Path, help="folder of what experiments.features.memory wrote")
    parser.add_argument("--out", type=Path, default=HERE / "results.csv")
    asked = parser.parse_args(words)
    table = collect(asked.runs, asked.memories)
    table.to_csv(asked.out, index=False, float_format="%.4g")
    print(shown(table))


if __name__ == "__main__":
    with plainly():
        main()
