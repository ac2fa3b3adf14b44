"""Draw results.csv: image and pixel AUROC of each corruption, the mean over the sets, whiskers over the seeds.

python experiments/corruption/plot.py        # writes results.png and prints the table as Markdown
"""

import csv
from collections import defaultdict
from pathlib import Path
from statistics import fmean, pstdev

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


def kinds() -> None:
    """Every kind alone beside the mixes, σ = 0, filter, seed 0: pixel | image AUROC of each set."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    with (HERE / "results.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if (row["noise_sigma"], row["objective"], row["seed"]) == ("0.0", "filter", "0"):
                text = f"{float(row['pixel_auroc']):.4f} \\| {float(row['image_auroc']):.3f}"
                found[row["corruption"]][row["dataset"].split(":")[1]] = text
    sets = sorted({name for values in found.values() for name in values})
    print("\n| | " + " | ".join(sets) + " |\n|---|" + "---|" * len(sets))
    for kind, values in sorted(found.items(), key=lambda item: item[1].get("PA_BRG03_TL", ""), reverse=True):
        print(f"| {kind} | " + " | ".join(values.get(name, "not run") for name in sets) + " |")


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
            spread = f" ± {pstdev(seeds):.4f}" if len(seeds) > 1 else ""
            texts.append(f"{fmean(seeds):.4f}{spread}")
            colour = "#c44e52" if key[2] == "amplify" else "#4c72b0"
            axis.errorbar(fmean(seeds), i, xerr=pstdev(seeds), fmt="o", color=colour, capsize=3)
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
        axis.grid(axis="x", alpha=0.3)
    figure.suptitle("quick preset; blue: filter, red: amplify")
    figure.savefig(HERE / "results.png", dpi=120)
    kinds()


if __name__ == "__main__":
    main()
