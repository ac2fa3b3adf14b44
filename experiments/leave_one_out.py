"""Chooses a setting for each set by the other sets alone, and prints what it gives on the set left out.

python -m experiments.leave_one_out experiments/corruption/residual.csv residual,k,n pixel_auroc

A default that was chosen by test images can only be judged on images that had no say in the choice. The table shows
every setting on every set; the lines below it show each set with the setting that the other sets chose.
"""

import argparse
import csv
from collections import defaultdict
from pathlib import Path
from statistics import fmean

from fae.cli.command import plainly

Setting = tuple[str, ...]


def read(path: Path, columns: list[str], measure: str) -> dict[Setting, dict[str, float]]:
    """Maps a setting and a set to the mean over its seeds, for the settings that every set has."""
    values: dict[Setting, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            values[tuple(row[column] for column in columns)][row["dataset"]].append(float(row[measure]))
    sets = {name for by_set in values.values() for name in by_set}
    return {
        setting: {name: fmean(seeds) for name, seeds in by_set.items()}
        for setting, by_set in values.items()
        if by_set.keys() == sets
    }


def best(table: dict[Setting, dict[str, float]], sets: list[str]) -> Setting:
    """The setting with the highest mean over the given sets."""
    return max(table, key=lambda setting: fmean(table[setting][name] for name in sets))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="a CSV file with a row for each set, seed and setting")
    parser.add_argument("columns", help="the columns that make up a setting, separated by commas")
    parser.add_argument("measure", help="the column to judge by; a higher value is better")
    asked = parser.parse_args()
    columns = asked.columns.split(",")
    table = read(asked.path, columns, asked.measure)
    sets = sorted(next(iter(table.values())))
    print(f"| {' | '.join(columns)} | {' | '.join(sets)} | mean |\n|{'---|' * (len(columns) + len(sets) + 1)}")
    for setting, by_set in sorted(table.items(), key=lambda item: -fmean(item[1].values())):
        figures = [by_set[name] for name in sets]
        print(f"| {' | '.join(setting)} | {' | '.join(f'{v:.4f}' for v in [*figures, fmean(figures)])} |")
    chosen = {name: best(table, [other for other in sets if other != name]) for name in sets}
    figures = [table[chosen[name]][name] for name in sets]
    print(f"\nLeft out: {fmean(figures):.4f} on average; best over all sets: {', '.join(best(table, sets))}")
    for name, figure in zip(sets, figures, strict=True):
        print(f"- {name}: {figure:.4f}, by the others' choice {', '.join(chosen[name])}")


if __name__ == "__main__":
    with plainly():
        main()
