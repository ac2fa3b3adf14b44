"""Draws along.png: AUROC against seconds of training, features beside pixels; each run is a point of its own length.

python -m experiments.features.along RUN... --out experiments/features

Runs that differ in trainer.max_steps alone make a curve; along.csv keeps what is drawn.
"""

import argparse
import json
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from fae.cli.command import plainly

HERE = Path(__file__).parent
MEASURES = {"image_auroc": "image AUROC", "pixel_auroc": "pixel AUROC"}
SPACES = {"lite0": ("features", "#0072b2"), "pixel": ("pixels", "#d55e00")}


def collect(runs: list[Path]) -> pd.DataFrame:
    """Return a row for each run, the shortest of each set and space first."""
    rows = []
    for run in runs:
        found = json.loads((run / "metrics.json").read_text())
        facts = {key: found[key] for key in ("space", "steps", "seconds", "seed", *MEASURES)}
        trivial = {f"trivial_{key}": found[f"trivial_{key}"] for key in MEASURES}
        rows.append({"set": found["dataset"].removeprefix("folder:"), **facts, **trivial})
    return pd.DataFrame(rows).sort_values(["set", "space", "seconds"])


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw a column for each set, and a row for each measure."""
    sets = sorted(set(table["set"]))
    figure = Figure(figsize=(3.0 * len(sets), 5.2), layout="constrained")
    grid = figure.subplots(len(MEASURES), len(sets), squeeze=False, sharex=True, sharey="row")
    for line, (measure, title) in zip(grid, MEASURES.items(), strict=True):
        for axis, name in zip(line, sets, strict=True):
            for space, (label, colour) in SPACES.items():
                own = table[(table["set"] == name) & (table["space"] == space)]
                axis.plot(own["seconds"], own[measure], "-o", color=colour, label=label, markersize=4)
            statistic = table.loc[table["set"] == name, f"trivial_{measure}"].max()
            axis.axhline(statistic, color="grey", linestyle=":", label="best statistic without learning")
            axis.set_title(name, fontsize=10)
            axis.set_xscale("log")
            axis.grid(alpha=0.25)
        line[0].set_ylabel(title)
    for axis in grid[-1]:
        axis.set_xlabel("seconds of training")
        axis.set_xticks([30, 60, 120, 240], ["30", "60", "120", "240"])
        axis.minorticks_off()
    grid[0][0].legend(fontsize=8)
    figure.savefig(path, dpi=110)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of finished runs")
    parser.add_argument("--out", type=Path, default=HERE)
    asked = parser.parse_args(words)
    table = collect(asked.runs)
    table.to_csv(asked.out / "along.csv", index=False, float_format="%.4g")
    draw(table, asked.out / "along.png")


if __name__ == "__main__":
    with plainly():
        main()
