"""Draws lam.png and score.png from lam.csv and score.csv, the copies of what fae.report wrote as results.csv.

python -m experiments.sweep.plot
"""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

HERE = Path(__file__).parent
MEASURES = {"image_auroc": "image AUROC", "pixel_auroc": "pixel AUROC"}
COLOURS = ("#0072b2", "#e69f00")


def name(dataset: str) -> str:
    return dataset.removeprefix("folder:")


def lam() -> None:
    runs = pd.read_csv(HERE / "lam.csv")
    datasets = sorted(runs["dataset"].unique())
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axis, (measure, title) in zip(figure.subplots(1, 2), MEASURES.items(), strict=True):
        for colour, dataset in zip(COLOURS, datasets, strict=True):
            own = runs[runs["dataset"] == dataset]
            for objective, style in (("filter", "-o"), ("amplify", "--s")):
                mean = own[own["objective"] == objective].groupby("lam")[measure].mean()
                axis.plot(mean.index, mean, style, color=colour, label=f"{name(dataset)}, {objective}")
            axis.axhline(own[f"trivial_{measure}"].iloc[0], color=colour, linestyle=":", linewidth=1)
        axis.set_xlabel("λ")
        axis.set_title(f"{title}; dotted: without learning")
        axis.grid(alpha=0.25)
    axis.legend(fontsize=9)
    figure.savefig(HERE / "lam.png", dpi=110)


def score() -> None:
    runs = pd.read_csv(HERE / "score.csv")
    datasets, exponents = sorted(runs["dataset"].unique()), sorted(runs["t"].unique())
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.12)
    axes = figure.subplots(len(datasets), len(MEASURES) * len(exponents), squeeze=False)
    for line, dataset in zip(axes, datasets, strict=True):
        columns = [(measure, t) for measure in MEASURES for t in exponents]
        for axis, (measure, t) in zip(line, columns, strict=True):
            cells = runs[(runs["dataset"] == dataset) & (runs["t"] == t)].pivot_table(measure, "n", "k")
            axis.imshow(cells, vmin=cells.to_numpy().min() - 1e-3, vmax=cells.to_numpy().max(), cmap="viridis")
            middle = (cells.to_numpy().min() + cells.to_numpy().max()) / 2
            for (i, j), value in np.ndenumerate(cells.to_numpy()):
                colour = "white" if value < middle else "black"
                axis.text(j, i, f"{value:.3f}", ha="center", va="center", fontsize=8, color=colour)
            axis.set_xticks(range(len(cells.columns)), cells.columns)
            axis.set_yticks(range(len(cells.index)), cells.index)
            axis.set_title(f"{name(dataset)}\n{MEASURES[measure]}, t = {t:g}", fontsize=9)
            axis.set_xlabel("k (px)")
            axis.set_ylabel("n")
    figure.savefig(HERE / "score.png", dpi=110)


if __name__ == "__main__":
    lam()
    score()
