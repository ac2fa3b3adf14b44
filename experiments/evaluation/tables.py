"""Prints results.csv as Markdown tables: selection of k, n and t, image scores, ensembles, false alarms.

python -m experiments.table --evaluations multirun/{corruption,quick,folds} runs experiments/evaluation/results.csv
python -m experiments.evaluation.tables
"""

import csv
from collections import defaultdict
from math import isnan
from pathlib import Path
from statistics import fmean, stdev

Row = dict[str, str]
PROTOCOLS = ("fixed", "validation", "test (oracle)")


def spread(rows: list[Row], column: str, digits: int = 4) -> str:
    values = [float(row[column]) for row in rows]
    return f"{fmean(values):.{digits}f}" + (f" ± {stdev(values):.{digits}f}" if len(values) > 1 else "")


def plain(row: Row) -> bool:
    """Whether the row belongs to a single run with the default thresholds."""
    return not row["ensemble"] and not row["calibration"] and row["image_threshold_rate"] == "0.05"


def selection(rows: list[Row]) -> None:
    """Prints k, n, t and AUROC as configured, as chosen by validation, and as chosen by the test images."""
    by_set: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        protocol = row["protocol"].split(":")[0]
        if plain(row) and protocol in PROTOCOLS:
            by_set[f"{row['dataset'].split(':')[1]}, {row['objective']}"][protocol].append(row)
    print("| pixel \\| image AUROC | fixed | validation: k, n, t of each seed | | oracle: k, n, t | |")
    print("|---|---|---|---|---|---|")
    for name, protocols in by_set.items():
        if set(protocols) != set(PROTOCOLS):
            continue
        cells = []
        for protocol in PROTOCOLS:
            some = sorted(protocols[protocol], key=lambda row: row["seed"])
            if protocol != "fixed":
                cells.append("; ".join(f"{row['k']}, {row['n']}, {float(row['t']):g}" for row in some))
            cells.append(f"{spread(some, 'pixel_auroc')} \\| {spread(some, 'image_auroc', 3)}")
        print(f"| {name} | " + " | ".join(cells) + " |")


def image_scores(rows: list[Row]) -> None:
    """Prints the image AUROC of each image score, on the maps of the configured setting."""
    names = ("sum", "max", "top", "contrast", "excess")
    by_set: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if plain(row) and row["protocol"].startswith("fixed"):
            by_set[f"{row['dataset'].split(':')[1]}, {row['objective']}"].append(row)
    print("\n| image AUROC by | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    for name, some in by_set.items():
        print(f"| {name} | " + " | ".join(spread(some, f"image_auroc_by_{score}", 3) for score in names) + " |")


def ensembles(rows: list[Row]) -> None:
    """Prints filter, amplify and both ensembles, for the seeds that have all four."""
    cells: dict[str, dict[tuple[str, str], Row]] = defaultdict(dict)
    for row in rows:
        if row["corruption"] == "mix" and not row["calibration"] and row["protocol"].startswith("fixed"):
            kind = f"ensemble {row['ensemble_scale']}" if row["ensemble"] else row["objective"]
            cells[row["dataset"].split(":")[1]][kind, row["seed"]] = row
    kinds = ("filter", "amplify", "ensemble none", "ensemble validation")
    print("\n| pixel \\| image AUROC | seeds | " + " | ".join(kinds) + " |\n|---|---|" + "---|" * len(kinds))
    means: dict[str, list[float]] = defaultdict(list)
    for name, found in cells.items():
        seeds = [seed for kind, seed in found if kind == "filter" and all((k, seed) in found for k in kinds)]
        if not seeds:
            continue
        texts = []
        for kind in kinds:
            some = [found[kind, seed] for seed in seeds]
            texts.append(f"{spread(some, 'pixel_auroc')} \\| {spread(some, 'image_auroc', 3)}")
            for measure in ("pixel_auroc", "image_auroc"):
                means[f"{kind} {measure}"].append(fmean(float(row[measure]) for row in some))
        print(f"| {name} | {len(seeds)} | " + " | ".join(texts) + " |")
    if means:
        print("| mean | | " + " | ".join(
            f"{fmean(means[f'{kind} pixel_auroc']):.4f} \\| {fmean(means[f'{kind} image_auroc']):.3f}" for kind in kinds
        ) + " |")  # fmt: skip


def false_alarms(rows: list[Row]) -> None:
    """Prints the false-alarm rate asked for and the rate on good test images; folds are pooled over the sets."""
    print("\n| | normals | asked, images | interval | obtained | found | asked, pixels | obtained | found |")
    print("|---|---|---|---|---|---|---|---|---|")
    pooled: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["calibration"]:
            pooled[f"PIPED, {row['image_threshold_rate']}"].append(row)
        elif row["protocol"].startswith("fixed") and row["image_threshold_normals"] and not row["ensemble"]:
            pooled[f"{row['dataset'].split(':')[1]}, {row['image_threshold_rate']}"].append(row)
    for name, some in pooled.items():

        def mean(column: str, some: list[Row] = some) -> float:
            return fmean(float(row[column] or "nan") for row in some)

        low, high = mean("image_threshold_rate_low"), mean("image_threshold_rate_high")
        interval = "none" if isnan(low) else f"{low:.3f} to {high:.3f}"
        print(
            f"| {name.split(', ')[0]} | {some[0]['image_threshold_normals']} | {some[0]['image_threshold_rate']} | "
            f"{interval} | "
            f"{mean('image_false_alarms'):.3f} | {mean('image_detections'):.3f} | {some[0]['pixel_threshold_rate']} | "
            f"{mean('pixel_false_alarms'):.4f} | {mean('pixel_detections'):.3f} |"
        )


def main() -> None:
    with (Path(__file__).parent / "results.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    selection(rows)
    image_scores(rows)
    ensembles(rows)
    false_alarms(rows)


if __name__ == "__main__":
    main()
