"""Computes tables 2 and 3: every category of MVTec AD by the filter, beside the paper's figure and its best rival.

python -m experiments.tables.tables multirun/paper --out experiments/tables/mvtec.csv

Runs on other data stand below, without a figure of the paper. A category without a run is listed as "no data". The
table names the size of each run, and marks a figure with a star if a statistic without learning reaches as much.
"""

import argparse
from pathlib import Path

import pandas as pd

from fae.cli.command import plainly
from fae.report.means import is_synthetic, over_seeds, tabulate
from fae.report.paper import compare, paper
from fae.report.runs import read_sweep

HERE = Path(__file__).parent
MEASURES = ("image_auroc", "pixel_auroc")
SIZE = ("image_size", "width", "steps")
NO_DATA = "no data"


def best_rival() -> pd.DataFrame:
    """The best other method in the paper's tables: category, each measure as a fraction, and the method's name."""
    return pd.read_csv(HERE / "best_rival.csv", comment="#")


def table(sweeps: list[Path]) -> pd.DataFrame:
    """A row for each category of MVTec AD in the paper's order, then a row for each other data set."""
    finished = [run for sweep in sweeps for run in read_sweep(sweep).finished]
    runs, settings = tabulate(finished)
    runs["width"] = [run.config.get("model.width") for run in finished]
    filtering = runs[runs["objective"] == "filter"]
    size = filtering.groupby("dataset")[list(SIZE)].first()
    varying = [name for name in settings if filtering[name].nunique(dropna=False) > 1]
    summary = over_seeds(filtering, [])
    if settled := [name for name in varying if filtering.groupby("dataset")[name].nunique(dropna=False).gt(1).any()]:
        raise SystemExit(f"the runs differ in {', '.join(settled)} as well; name sweeps of one setting")
    if twice := [name for name in summary["dataset"] if "[" in name]:
        raise SystemExit(f"runs on several sets of images share a name: {', '.join(twice)}; name sweeps on one of them")
    found = compare(summary, [])
    found = found[~found["category"].str.startswith("mean of")].set_index("category")
    known = paper().query("objective == 'filter'").merge(best_rival(), on="category", suffixes=("", "_rival"))
    rows = []
    for one in known.itertuples():
        ours = found.loc[one.category] if one.category in found.index else None
        row = {"dataset": f"mvtec:{one.category}", "runs": 0 if ours is None else int(ours["runs"])}
        for measure in MEASURES:
            row[f"{measure}_paper"] = getattr(one, measure)
            row[f"{measure}"] = None if ours is None else ours[measure]
            row[f"{measure}_std"] = None if ours is None else ours[f"{measure}_std"]
            row[f"{measure}_difference"] = None if ours is None else ours[f"{measure}_difference"]
            row[f"{measure}_best_rival"] = getattr(one, f"{measure}_rival")
            row[f"{measure}_best_rival_by"] = getattr(one, f"{measure.split('_')[0]}_by")
            row[f"trivial_{measure}"] = None if ours is None else ours[f"trivial_{measure}"]
        rows.append(row | {name: None if ours is None else size.loc[row["dataset"], name] for name in SIZE})
    for _, one in summary[~summary["dataset"].str.startswith("mvtec:")].iterrows():
        # A synthetic category shares nothing with the real one but the name.
        rows.append(
            {"dataset": one["dataset"], "runs": int(one["runs"])}
            | size.loc[one["dataset"]].to_dict()
            | {name: one[name] for measure in MEASURES for name in (measure, f"{measure}_std", f"trivial_{measure}")}
        )
    return pd.DataFrame(rows)


def markdown(found: pd.DataFrame) -> str:
    """The table as Markdown, in percent."""

    def number(value: float, digits: int = 1) -> str:
        return "" if pd.isna(value) else f"{100 * value:.{digits}f}"

    lines = [
        "| | image: paper | ours | difference | best rival | pixel: paper | ours | difference | best rival | runs |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for _, row in found.iterrows():
        cells = [row["dataset"] + (" (drawn, not real)" if is_synthetic(row["dataset"]) else "")]
        if row["runs"]:
            width = "unknown" if pd.isna(row["width"]) else f"{row['width']:.0f}"  # if only metrics.json is left
            cells[0] += f" ({row['image_size']} px, width {width}, {row['steps']:.0f} steps)"
        for measure in MEASURES:
            spread = "" if pd.isna(row.get(f"{measure}_std")) else f" ± {number(row[f'{measure}_std'])}"
            star = "\\*" if row["runs"] and row[f"trivial_{measure}"] >= row[measure] else ""
            ours = f"{number(row[measure])}{spread}{star}" if row["runs"] else NO_DATA
            by = "" if pd.isna(row.get(f"{measure}_best_rival_by")) else f" {row[f'{measure}_best_rival_by']}"
            cells += [number(row.get(f"{measure}_paper")), ours, number(row.get(f"{measure}_difference"))]
            cells.append(f"{number(row.get(f'{measure}_best_rival'))}{by}")
        lines.append("| " + " | ".join([*cells, str(row["runs"])]) + " |")
    return "\n".join([*lines, "", "\\*: a statistic without learning reaches as much."])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweeps", type=Path, nargs="+", help="folders that fae.train -m wrote")
    parser.add_argument("--out", type=Path, default=HERE / "mvtec.csv")
    asked = parser.parse_args(arguments)
    found = table(asked.sweeps)
    found.to_csv(asked.out, index=False, float_format="%.4f")
    print(markdown(found))


if __name__ == "__main__":
    with plainly():
        main()
