"""Draw results.csv: image and pixel AUROC of each corruption, the mean over the sets, whiskers over the seeds.

python experiments/corruption/plot.py        # writes results.png and prints the table as Markdown
"""

import csv
from collections import defaultdict
from pathlib import Path
from statistics import fmean, stdev

from matplotlib.figure import Figure

HERE = Path(__file__).parent
MEASURES = ("pixel_auroc", "image_auroc")


def read() -> dict[tuple[str, str, str], dict[str, dict[str, list[float]]]]:
    """(corruption, σ, objective) to measure to seed to the values of its sets."""
    cells: dict = defaultdict(lambda: {m: defaultdict(list) for m in MEASURES})
    with (HERE / "results.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for measure in MEASURES:
                key = (row["corruption"], row["noise_sigma"], row["objective"])
                cells[key][measure][row["seed"]].append(float(row[measure]))
    return cells


def kinds(objective: str, sigma: str) -> None:
    """Every kind alone beside the mixes: pixel | image AUROC of each set, mean ± deviation over its seeds."""
    found: dict[str, dict[str, dict[str, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    with (HERE / "results.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if (row["noise_sigma"], row["objective"]) == (sigma, objective):
                for measure in MEASURES:
                    found[row["corruption"]][row["dataset"].split(":")[1]][measure].append(float(row[measure]))
    sets = sorted({name for values in found.values() for name in values})
    short = [name.removeprefix("PA_").partition("_")[0] for name in sets]
    print(f"\n| {objective}, σ = {sigma} | " + " | ".join(short) + " |\n|---|" + "---|" * len(sets))
    for kind, values in sorted(found.items(), key=lambda item: -_mean(item[1])):
        cells = [_spread(values[name]) for name in sets]
        print(f"| {kind} | " + " | ".join(cells) + " |")


def _mean(values: dict[str, dict[str, list[float]]]) -> float:
    """Of the sets that were run."""
    return fmean(fmean(of["pixel_auroc"]) for of in values.values())


def _spread(values: dict[str, list[float]]) -> str:
    """Pixel | image AUROC, ± where it shows, and how many seeds where they are fewer than three."""
    if not values["pixel_auroc"]:
        return "not run"
    texts = []
    for measure, digits in (("pixel_auroc", 4), ("image_auroc", 3)):
        many = values[measure]
        deviation = f"{stdev(many) if len(many) > 1 else 0:.{digits}f}"
        texts.append(f"{fmean(many):.{digits}f}" + (f" ± {deviation}" if float(deviation) else ""))
    few = len(values["pixel_auroc"])
    return " \\| ".join(texts) + (f" ({few})" if few < 3 else "")


def main() -> None:
    cells = read()
    sets = {len(values) for cell in cells.values() for values in cell["pixel_auroc"].values()}
    for cell in cells.values():  # a seed that has not seen every set yet would be no mean of the same sets
        for measure, by_seed in cell.items():
            cell[measure] = {seed: values for seed, values in by_seed.items() if len(values) == max(sets)}
    cells = {key: cell for key, cell in cells.items() if cell["pixel_auroc"]}
    print("| corruption | σ | objective | sets | seeds | pixel AUROC | image AUROC |\n|---|---|---|---|---|---|---|")
    figure = Figure(figsize=(9, 0.32 * len(cells) + 1.4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    order = sorted(cells, key=lambda key: fmean(map(fmean, cells[key]["pixel_auroc"].values())))
    rows = {}
    for i, key in enumerate(order):
        texts = []
        for axis, measure in zip(axes, MEASURES, strict=True):
            seeds = [fmean(values) for values in cells[key][measure].values()]
            spread = f" ± {stdev(seeds):.4f}" if len(seeds) > 1 else ""
            texts.append(f"{fmean(seeds):.4f}{spread}")
            colour = "#c44e52" if key[2] == "amplify" else "#4c72b0"
            axis.errorbar(fmean(seeds), i, xerr=stdev(seeds) if len(seeds) > 1 else 0, fmt="o", color=colour, capsize=3)
        per_seed = cells[key]["pixel_auroc"]
        rows[key] = f"| {key[0]} | {key[1]} | {key[2]} | {len(next(iter(per_seed.values())))} | {len(per_seed)} | " + (
            " | ".join(texts) + " |"
        )
    for key in reversed(order):
        print(rows[key])
    axes[0].set_ylim(-0.5, len(order) - 0.5)
    axes[0].set_yticks(range(len(order)), [f"{c}, σ={s}" for c, s, _ in order])
    for axis, measure in zip(axes, MEASURES, strict=True):
        axis.set_xlabel(f"{measure.replace('_', ' ')}, mean of {max(sets)} sets")
        axis.locator_params(axis="x", nbins=5)
        axis.grid(axis="x", alpha=0.3)
    figure.suptitle("quick preset; blue: filter, red: amplify")
    figure.savefig(HERE / "results.png", dpi=120)
    for objective in ("filter", "amplify"):
        for sigma in ("0.0", "0.05"):
            kinds(objective, sigma)


if __name__ == "__main__":
    main()
