"""The page's tables: means, the paper's numbers beside ours, and every run with its files."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

import pandas as pd

from fae.metric.pixel import MEASURES
from fae.report.means import differing, label, text
from fae.report.paper import PAIRS, compare
from fae.report.runs import Sweep
from fae.run.folder import METRICS

_HEADLINE = {
    "image_auroc": "image AUROC",
    "trivial_image_auroc": "without learning",
    "pixel_auroc": "pixel AUROC",
    "trivial_pixel_auroc": "without learning",
    **{measure.key("pixel"): measure.title for measure in MEASURES if measure.by_region},
    "image_auroc_apart": "image AUROC, parts not in training",
    "pixel_auroc_apart": "pixel AUROC, parts not in training",
}
_FIXED = {"trivial_image_auroc", "trivial_pixel_auroc"}  # the images determine these values, not the seed
_FILES = {"curves": "curves.png", "most wrong": "most_wrong.png", "metrics": METRICS}


class Cell(NamedTuple):
    """The text of a table's cell, and the address that it links to."""

    text: str
    number: bool = False
    """Whether the text is a number, which is aligned to the right."""
    href: str = ""


class Table(NamedTuple):
    """A table with headings, each with a flag for numbers below it, and rows."""

    headings: list[tuple[str, bool]]
    rows: list[list[Cell | list[Cell]]]


def href(*parts: str) -> str:
    """Return a relative address; it is quoted, because names of folders may hold special characters."""
    return "/".join(quote(part, safe="") for part in parts)


def _mean(value: float, std: float = math.nan) -> Cell:
    spread = "" if std != std else f" ± {std:.3f}"
    return Cell("" if value != value else f"{value:.3f}{spread}", True)


def _setting(value: Any) -> Cell:
    return Cell(text(value), isinstance(value, int | float))


def summary_table(frame: pd.DataFrame, words: Sequence[str], counts: Sequence[str]) -> Table:
    """Return a table with a row for each row of `frame`: the given columns, then the measures that have values."""
    shown = [name for name in _HEADLINE if frame[name].notna().any()]
    headings = [
        *((label(name) if name != "dataset" else "data set", _numeric(frame[name])) for name in words),
        *((name, True) for name in counts),
        *((_HEADLINE[name], True) for name in shown),
    ]
    rows: list[list[Cell | list[Cell]]] = [
        [
            *(_setting(row[name]) for name in words),
            *(Cell(str(row[name]), True) for name in counts),
            *(_mean(row[name], row.get(f"{name}_std", math.nan) if name not in _FIXED else math.nan) for name in shown),
        ]
        for row in frame.to_dict("records")
    ]
    return Table(headings, rows)


def _numeric(column: "pd.Series[Any]") -> bool:
    return bool(column.dropna().map(lambda value: isinstance(value, int | float)).all())


def comparison_table(summary: pd.DataFrame, settings: Sequence[str]) -> Table | None:
    """Return a table of each category and setting on MVTec AD beside the paper; None if there is no such run."""
    table = compare(summary, settings)
    if table.empty:
        return None
    of_runs = table[table["dataset"].notna()]
    words = list(dict.fromkeys(["category", "objective", *differing(of_runs, settings)]))
    headings = [(label(name), _numeric(table[name])) for name in words] + [("runs", True)]
    for name in PAIRS:
        headings += [(f"{_HEADLINE[name]}: {what}", True) for what in ("paper", "ours", "difference")]
    rows: list[list[Cell | list[Cell]]] = []
    for row in table.to_dict("records"):
        cells: list[Cell | list[Cell]] = [*(_setting(row[name]) for name in words), Cell(str(row["runs"]), True)]
        for name in PAIRS:
            difference = row[f"{name}_difference"]
            cells += [
                _mean(row[f"{name}_paper"]),
                _mean(row[name], row[f"{name}_std"]),
                Cell("" if difference != difference else f"{difference:+.3f}".replace("-", "−"), True),
            ]
        rows.append(cells)
    return Table(headings, rows)


def runs_table(sweep: Sweep, runs: pd.DataFrame, settings: Sequence[str]) -> Table:
    """Return a table with one row per run, and links to the run's files."""
    shown = [name for name in _HEADLINE if runs[name].notna().any()]
    twice = {"trivial_image_auroc": "image, without learning", "trivial_pixel_auroc": "pixel, without learning"}
    headings = [
        *(("run", False), ("data set", False)),
        *((label(name), _numeric(runs[name])) for name in settings),
        ("seed", True),
        *((twice.get(name, _HEADLINE[name]), True) for name in shown),
        *(("steps", True), ("seconds", True), ("files", False)),
    ]
    rows: list[list[Cell | list[Cell]]] = []
    for row in runs.to_dict("records"):
        folder = sweep.folder / row["run"]
        files = [Cell(word, href=href(row["run"], name)) for word, name in _FILES.items() if (folder / name).is_file()]
        seconds = row["seconds"]
        rows.append(
            [
                *(Cell(row["run"], href=href(row["run"]) + "/"), Cell(row["dataset"])),
                *(_setting(row[name]) for name in settings),
                Cell(text(row["seed"]), True),
                *(Cell("" if row[name] != row[name] else f"{row[name]:.4f}", True) for name in shown),
                *(Cell(text(row["steps"]), True), Cell("" if seconds is None else f"{seconds:.0f}", True)),
                files,
            ]
        )
    return Table(headings, rows)
