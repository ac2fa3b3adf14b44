"""The paper's numbers beside ours, for MVTec AD alone."""

from collections.abc import Sequence
from importlib.resources import files

import pandas as pd

from fae.report.means import differing, over_datasets

_MVTEC = "mvtec:"
PAIRS = ("image_auroc", "pixel_auroc")


def paper() -> pd.DataFrame:
    """Return the paper's AUROCs as fractions, by category and objective; paper.csv names its columns and sources."""
    with (files("fae.report") / "paper.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, comment="#")


def compare(summary: pd.DataFrame, settings: Sequence[str]) -> pd.DataFrame:
    """Compare the runs on MVTec AD with the paper; values that the paper does not report are NaN.

    Args:
        summary: table from `over_seeds`, of any data.
        settings: names of the settings that vary.

    Returns:
        a table with one row for each mean over categories, then one row for each category and setting. Its columns are
        the category, the settings, the objective, the number of runs and, for each of PAIRS, the mean, `<name>_std`,
        `<name>_paper` and `<name>_difference`.
    """
    ours = summary[summary["dataset"].str.startswith(_MVTEC)].copy()
    ours.insert(0, "category", ours["dataset"].str.removeprefix(_MVTEC))
    ours.insert(1, "known_as", ours["dataset"].map(_category))
    known = paper().rename(columns={"category": "known_as"})
    table = ours.merge(known, how="left", on=["known_as", "objective"], suffixes=("", "_paper"))
    means = over_datasets(ours, list(dict.fromkeys(["objective", *differing(ours, settings)]))).table
    if means is not None:
        categories = list(ours["category"].unique())
        reported = known[known["known_as"].isin(categories)].groupby("objective")[list(PAIRS)]
        whole = reported.mean()[reported.size() == len(categories)].add_suffix("_paper").reset_index()
        means = means.assign(category=f"mean of {len(categories)}").merge(whole, how="left", on="objective")
        table = pd.concat([means, table], ignore_index=True)
    for name in PAIRS:
        table[f"{name}_difference"] = table[name] - table[f"{name}_paper"]
    return table


def missing(datasets: Sequence[str]) -> list[str]:
    """Return the categories of MVTec AD that have no run."""
    there = {_category(dataset) for dataset in datasets if dataset.startswith(_MVTEC)}
    return [name for name in paper()["category"].unique() if name not in there]


def _category(dataset: str) -> str:
    """Return the category without the fingerprint that `tabulate` appends if data sets share a name."""
    return dataset.removeprefix(_MVTEC).partition(" [")[0]
