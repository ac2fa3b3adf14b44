"""Draws results.csv: the mean image and pixel AUROC of each corruption over the sets, with whiskers over the seeds.

python -m experiments.corruption.plot        # writes results.png and prints all tables as Markdown
"""

import csv
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from statistics import fmean, stdev

from matplotlib.figure import Figure

HERE = Path(__file__).parent
MEASURES = ("pixel_auroc", "image_auroc")
Cell = dict[str, dict[str, list[float]]]
"""Maps a measure and a seed to the values of all sets."""


def read() -> dict[tuple[str, str, str], Cell]:
    """Results by (corruption, σ, objective)."""
    cells: dict = defaultdict(lambda: {m: defaultdict(list) for m in MEASURES})
    with (HERE / "results.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for measure in MEASURES:
                key = (row["corruption"], row["noise_sigma"], row["objective"])
                cells[key][measure][row["seed"]].append(float(row[measure]))
    return cells


def kinds(objective: str, sigma: str) -> None:
    """Prints a row for each kind and mix: pixel | image AUROC of each set, mean ± standard deviation over the seeds."""
    found: dict[str, dict[str, dict[str, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    with (HERE / "results.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if (row["noise_sigma"], row["objective"]) == (sigma, objective):
                for measure in MEASURES:
                    found[row["corruption"]][row["dataset"].split(":")[1]][measure].append(float(row[measure]))
    if not found:
        return
    sets = sorted({name for values in found.values() for name in values})
    short = [name.removeprefix("PA_").partition("_")[0] for name in sets]
    print(f"\n| {objective}, σ = {sigma} | " + " | ".join(short) + " |\n|---|" + "---|" * len(sets))
    for kind, values in sorted(found.items(), key=lambda item: -_mean(item[1])):
        cells = [_spread(values[name]) for name in sets]
        print(f"| {kind} | " + " | ".join(cells) + " |")


def _mean(values: dict[str, dict[str, list[float]]]) -> float:
    """Mean pixel AUROC over the sets that were run."""
    return fmean(fmean(of["pixel_auroc"]) for of in values.values())


def _spread(values: dict[str, list[float]]) -> str:
    """Pixel | image AUROC, its deviation unless that rounds to 0, and the number of seeds if it is below three."""
    if not values["pixel_auroc"]:
        return "not run"
    texts = []
    for measure, digits in (("pixel_auroc", 4), ("image_auroc", 3)):
        many = values[measure]
        deviation = f"{stdev(many) if len(many) > 1 else 0:.{digits}f}"
        texts.append(f"{fmean(many):.{digits}f}" + (f" ± {deviation}" if float(deviation) else ""))
    few = len(values["pixel_auroc"])
    return " \\| ".join(texts) + (f" ({few})" if few < 3 else "")


def _by_seed(cell: Cell, measure: str) -> list[float]:
    return [fmean(values) for values in cell[measure].values()]


def _pixels(cell: Cell) -> float:
    return fmean(_by_seed(cell, "pixel_auroc"))


def _over_seeds(cell: Cell, measure: str) -> str:
    seeds = _by_seed(cell, measure)
    return f"{fmean(seeds):.4f}" + (f" ± {stdev(seeds):.4f}" if len(seeds) > 1 else "")


def draw(cells: dict[tuple[str, str, str], Cell], what: str) -> None:
    """Draws a line for each corruption with and without the noise anchor; fewer than three seeds give hollow points."""
    height: dict[str, float] = {}  # of filter without the anchor, or of what was run instead
    for key in sorted(cells, key=lambda key: (float(key[1]), key[2] != "filter")):
        height.setdefault(key[0], _pixels(cells[key]))
    lines = sorted({key[:2] for key in cells}, key=lambda line: (height[line[0]], line[0], -float(line[1])))
    figure = Figure(figsize=(9, 0.34 * len(lines) + 1.4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, measure in zip(axes, MEASURES, strict=True):
        for objective, colour, up in (("filter", "#4c72b0", 0.16), ("amplify", "#c44e52", -0.16)):
            for y, line in enumerate(lines):
                if cell := cells.get((*line, objective)):
                    seeds = _by_seed(cell, measure)
                    spread = stdev(seeds) if len(seeds) > 1 else 0
                    face = colour if len(seeds) > 2 else "white"
                    axis.errorbar(fmean(seeds), y + up, xerr=spread, fmt="o", color=colour, mfc=face, capsize=3)
        for y, (line, above) in enumerate(pairwise(lines)):
            if line[0] != above[0]:
                axis.axhline(y + 0.5, color="0.85", linewidth=0.8)
        axis.set_xlim(right=1.002)
        axis.set_xlabel(f"{measure.replace('_auroc', ' AUROC')}, {what}")
        axis.locator_params(axis="x", nbins=5)
        axis.grid(axis="x", alpha=0.3)
    axes[0].set_ylim(-0.5, len(lines) - 0.5)
    axes[0].set_yticks(range(len(lines)), [f"{c}, σ = {float(s):g}" for c, s in lines])
    few = any(len(cell[MEASURES[0]]) < 3 for cell in cells.values())
    figure.suptitle("quick preset; blue: filter, red: amplify" + ("; hollow: fewer than three seeds" if few else ""))
    figure.savefig(HERE / "results.png", dpi=120)


def main() -> None:
    cells = read()
    sets = {len(values) for cell in cells.values() for values in cell["pixel_auroc"].values()}
    for cell in cells.values():  # a seed that lacks a set would give a mean over other sets
        for measure, by_seed in cell.items():
            cell[measure] = {seed: values for seed, values in by_seed.items() if len(values) == max(sets)}
    cells = {key: cell for key, cell in cells.items() if cell["pixel_auroc"]}
    print("| corruption | σ | objective | sets | seeds | pixel AUROC | image AUROC |\n|---|---|---|---|---|---|---|")
    few = {key: len(cell["pixel_auroc"]) < 3 for key, cell in cells.items()}  # they come last
    for key in sorted(cells, key=lambda key: (few[key], -_pixels(cells[key]))):
        seeds = cells[key]["pixel_auroc"]
        texts = [_over_seeds(cells[key], measure) for measure in MEASURES]
        print(f"| {' | '.join(key)} | {max(sets)} | {len(seeds)} | {' | '.join(texts)} |")
    draw(cells, f"mean of {max(sets)} sets")
    for objective in ("filter", "amplify"):
        for sigma in ("0.0", "0.05"):
            kinds(objective, sigma)


if __name__ == "__main__":
    main()
