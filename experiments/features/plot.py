"""Draws along.png from along.csv: AUROC against seconds of training, features beside pixels.

python -m experiments.table multirun/along experiments/features/along.csv
python -m experiments.features.plot
"""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

HERE = Path(__file__).parent
MEASURES = {"image_auroc": "image AUROC", "pixel_auroc": "pixel AUROC"}
SPACES = {"lite0": ("features", "#0072b2"), "pixel": ("pixels", "#e69f00")}


def draw(runs: pd.DataFrame, path: Path) -> None:
    """Draw a column for each set, and a row for each measure; each point is a run of its own length."""
    sets = list(dict.fromkeys(runs["dataset"]))
    figure = Figure(figsize=(3.2 * len(sets), 5.4), layout="constrained")
    grid = figure.subplots(len(MEASURES), len(sets), squeeze=False, sharex=True, sharey="row")
    for line, (measure, title) in zip(grid, MEASURES.items(), strict=True):
        for axis, dataset in zip(line, sets, strict=True):
            for space, (name, colour) in SPACES.items():
                own = runs[(runs["dataset"] == dataset) & (runs["space"] == space)].sort_values("seconds")
                axis.plot(own["seconds"], own[measure], "-o", color=colour, label=name, markersize=4)
            statistic = runs.loc[runs["dataset"] == dataset, f"trivial_{measure}"].max()
            axis.axhline(statistic, color="grey", linestyle=":", label="best statistic, without learning")
            axis.set_title(dataset.removeprefix("folder:"), fontsize=10)
            axis.set_xscale("log")
            axis.grid(alpha=0.25)
        line[0].set_ylabel(title)
    for axis in grid[-1]:
        axis.set_xlabel("seconds of training")
        axis.set_xticks([30, 60, 120, 240], ["30", "60", "120", "240"])
        axis.minorticks_off()
    grid[0][0].legend(fontsize=8)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    draw(pd.read_csv(HERE / "along.csv"), HERE / "along.png")
