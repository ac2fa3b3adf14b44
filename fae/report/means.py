"""From runs to tables: the settings in which runs differ, and means over seeds of runs with equal settings."""

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

import pandas as pd

from fae.cli.schema import Category
from fae.report.runs import COLUMNS, MEASURES, SETTINGS, Run

SYNTHETIC = "synthetic:"
# A category's file may choose these settings, so they may differ between data sets within one setting.
_OF_CATEGORY = {field.name for field in fields(Category)} | {"corruption", "residual"}
_LABELS = {"lam": "λ", "noise_sigma": "noise σ", "image_score": "image score", "image_size": "image size"}


class Means(NamedTuple):
    """Means over data sets, or a note that says why there are none."""

    table: pd.DataFrame | None
    note: str


def label(name: str) -> str:
    """Return a setting's name as a person would write it."""
    return _LABELS.get(name, name)


def is_synthetic(dataset: str) -> bool:
    """Return whether a program drew the images; their numbers are never averaged with those of real images."""
    return dataset.startswith(SYNTHETIC)


def tabulate(runs: Sequence[Run]) -> tuple[pd.DataFrame, list[str]]:
    """Put runs into a table.

    Returns:
        the table and the names of the settings that vary. The table has one row per run and the columns COLUMNS;
        further values in which runs differ stand after the settings. If data sets share a name but not their images,
        their fingerprints are appended to the name.
    """
    frame = pd.DataFrame([run.row for run in runs], columns=list(COLUMNS), dtype=object)
    frame[list(MEASURES)] = frame[list(MEASURES)].astype(float)
    images = frame.assign(images=[run.images for run in runs]).groupby("dataset")["images"]
    shared = images.transform(lambda of_name: of_name.nunique(dropna=False) > 1).astype(bool)
    frame.loc[shared, "dataset"] += [f" [{run.images}]" for run, twice in zip(runs, shared, strict=True) if twice]
    varying = differing(frame, SETTINGS)
    seeds = [run.row["seed"] for run in runs]
    named = {key for run in runs for key in run.words}
    groups: list[Hashable] = list(zip(*(frame[name] for name in ("dataset", *varying)), strict=True))
    # Keys that the user has set come first, because one word may change many values of the configuration.
    candidates: tuple[Sequence[Mapping[str, Any]], ...] = (
        [run.words | {key: run.config[key] for key in named & run.config.keys()} for run in runs],
        [run.config for run in runs],
    )
    for source in candidates:
        for key in dict.fromkeys(key for values in source for key in values):
            column = [_plain(values.get(key)) for values in source]
            finer = list(zip(groups, column, strict=True))
            if key == "seed" or column == seeds or key in frame or len(set(finer)) == len(set(groups)):
                continue
            groups = list(finer)
            frame.insert(frame.columns.get_loc("seed"), key, pd.Series(column, dtype=object))
            varying.append(key)
    return frame, varying


def differing(frame: pd.DataFrame, settings: Sequence[str]) -> list[str]:
    """Return those of the given settings that vary in a table."""
    return [name for name in settings if frame[name].nunique(dropna=False) > 1]


def _plain(value: Any) -> Any:
    return json.dumps(value, sort_keys=True, default=str) if isinstance(value, list | dict) else value


def constant(runs: pd.DataFrame) -> dict[str, Any]:
    """Return the settings that all runs share, with their values."""
    return {name: runs[name].iloc[0] for name in SETTINGS if runs[name].nunique() == 1 and runs[name].notna().all()}


def over_seeds(runs: pd.DataFrame, settings: Sequence[str]) -> pd.DataFrame:
    """Return the mean and sample standard deviation over runs that differ only in the seed.

    Returns:
        a table with one row for each data set and setting. Its columns are the data set, the objective, the settings,
        `runs`, `seeds`, each of MEASURES, and `<measure>_std`, which is NaN for a single run.
    """
    groups = runs.groupby(list(dict.fromkeys(["dataset", "objective", *settings])), dropna=False, sort=False)
    measures = list(MEASURES)
    summary = groups[measures].mean().join(groups[measures].std(ddof=1).add_suffix("_std"))
    summary.insert(0, "runs", groups.size())
    summary.insert(1, "seeds", groups["seed"].nunique())
    summary = summary.reset_index()
    order = sorted(range(len(summary)), key=lambda i: [natural(summary[name].iloc[i]) for name in groups.keys])
    return summary.iloc[order].reset_index(drop=True)


def natural(value: Any) -> tuple[int, float, str]:
    """Return a sort key: missing values come first, then numbers in numerical order, then words."""
    if value is None or value != value:
        return 0, 0.0, ""
    try:
        return 1, float(value), ""
    except ValueError:
        return 2, 0.0, str(value)


def text(value: Any) -> str:
    """Return a value as a person would write it; the text is empty if the value is missing."""
    if value is None or value != value:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def over_datasets(summary: pd.DataFrame, settings: Sequence[str]) -> Means:
    """Average over data sets for each setting, if all settings were run on the same data sets.

    Args:
        summary: table from `over_seeds`, of either real or synthetic data.
        settings: names of the settings that vary in `summary`.

    Raises:
        ValueError: real and synthetic data are given together.
    """
    if summary["dataset"].map(is_synthetic).nunique() > 1:
        raise ValueError("summary holds real and synthetic data, which must not be averaged; give one of them")
    datasets = sorted(summary["dataset"].unique())
    if len(datasets) < 2:
        return Means(None, "")
    chosen = [
        name
        for name in settings
        if name in _OF_CATEGORY and (summary.groupby("dataset")[name].nunique(dropna=False) == 1).all()
    ]
    shared = [name for name in settings if name not in chosen]
    groups = list(summary.groupby(shared, dropna=False, sort=False)) if shared else [((), summary)]
    for key, group in groups:
        absent = sorted(set(datasets) - set(group["dataset"]))
        if absent:
            setting = ", ".join(f"{label(name)} {text(value)}" for name, value in zip(shared, key, strict=True))
            return Means(None, f"No mean over data sets: {setting} was not run on {', '.join(absent)}.")
    rows = [
        dict(zip(shared, key, strict=True))
        | {"data sets": len(group), "runs": int(group["runs"].sum())}
        | {name: group[name].mean(skipna=False) for name in MEASURES}
        for key, group in groups
    ]
    note = f"Mean of the means of {len(datasets)} data sets."
    if chosen:
        note += (
            " These settings are constant within each data set, but different between them: "
            f"{', '.join(map(label, chosen))}."
        )
    return Means(pd.DataFrame(rows), note)
