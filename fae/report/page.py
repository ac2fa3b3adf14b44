"""The page of a sweep: tables, plots and pictures in one file that loads nothing else; jinja2 lays it out."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import itables
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from fae.report.continued import continued
from fae.report.heatmaps import Heatmap, best, data_uri, heatmaps_of, worst
from fae.report.means import constant, differing, is_synthetic, label, over_datasets, over_seeds, text
from fae.report.paper import missing
from fae.report.plots import plots
from fae.report.runs import FAILED, Sweep
from fae.report.tables import Cell, Table, comparison_table, href, runs_table, summary_table


class Picture(NamedTuple):
    """An embedded heatmap."""

    uri: str
    caption: str


@dataclass(frozen=True)
class Section:
    """The results on real data or on synthetic data, never on both."""

    name: str
    synthetic: bool
    table: Table
    means: Table | None
    note: str


def page(sweep: Sweep, runs: pd.DataFrame, settings: Sequence[str], pictures: int) -> str:
    """Lay out the page.

    Args:
        sweep: contents of the sweep's folder.
        runs: table from `tabulate`, one row per finished run.
        settings: names of the settings that vary.
        pictures: number of the best heatmaps to embed, and of the worst heatmaps.

    Returns:
        the page as HTML.
    """
    environment = Environment(
        loader=PackageLoader("fae.report", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawn = plots(runs, settings) if len(runs) else []
    found = [h for run in sweep.finished for h in heatmaps_of(sweep.folder / run.row["run"], run.row["dataset"])]
    summary = over_seeds(runs, settings) if len(runs) else None
    bundle = Path(itables.options.dt_bundle)  # DataTables, as one module
    return environment.get_template("page.html").render(
        name=sweep.folder.resolve().name,
        sweep=sweep,
        failed=[(Cell(name, href=href(FAILED, name)), first, last) for name, first, last in sweep.failed],
        unfinished=[Cell(name, href=href(name) + "/") for name in sweep.unfinished],
        unreadable=[(Cell(name, href=href(name) + "/"), reason) for name, reason in sweep.unreadable],
        date=f"{datetime.now():%Y-%m-%d %H:%M}",
        facts=_facts(runs, settings) if len(runs) else [],
        sections=[] if summary is None else _sections(summary, settings),
        duplicates=0 if summary is None else int((summary["runs"] - summary["seeds"]).sum()),
        comparison=None if summary is None else comparison_table(summary, settings),
        missing=missing(list(runs["dataset"])),
        plots=[(p.title, Markup(_div(p.figure)), p.caption) for p in drawn],
        continued=[(one, Markup(_div(one.figure)) if one.figure else "") for one in continued(sweep)],
        plotly=_script(get_plotlyjs()),
        best=_embed(best(found, pictures)),
        worst=_embed(worst(found, pictures)),
        has_heatmaps=bool(found),
        runs=runs_table(sweep, runs, settings),
        datatables=_script(bundle.read_text(encoding="utf-8")),
        datatables_css=Markup(bundle.with_suffix(".css").read_text(encoding="utf-8")),
    )


def _script(code: str) -> Markup:
    """Return a library's code for a script element; "<!--" is escaped, because it would hide the closing tag."""
    return Markup(code.replace("<!--", r"\x3c!--"))


def _div(figure: Any) -> str:
    config = {
        "displaylogo": False,
        "responsive": True,
        "modeBarButtons": [["toImage", "zoom2d", "pan2d", "resetScale2d"]],  # no button that calls a server
    }
    return str(figure.to_html(full_html=False, include_plotlyjs=False, config=config))


def _facts(runs: pd.DataFrame, settings: Sequence[str]) -> list[tuple[str, str]]:
    """Return the facts above the tables, as names and values."""
    same = {k: v for k, v in constant(runs).items() if k not in settings}
    # A resumed run names all commits that worked on it.
    commits = dict.fromkeys(commit for several in runs["git_commit"].dropna() for commit in several.split(", "))
    hours = pd.to_numeric(runs.loc[runs["weights_of"].isna(), "seconds"]).sum() / 3600
    return [
        ("data sets", str(runs["dataset"].nunique())),
        ("seeds", ", ".join(map(str, sorted(runs["seed"].unique())))),
        ("varies", ", ".join(map(label, settings)) or "nothing but data and seed"),
        (
            "shared by all runs",
            ", ".join(f"{label(name)} {text(value)}" for name, value in same.items()) or "nothing",
        ),
        ("commits", ", ".join(map(_short, commits)) or "unknown"),
        ("devices", ", ".join(f"{name} ({count})" for name, count in Counter(runs["device"].dropna()).items())),
        ("training", f"{hours:.1f} hours altogether"),
    ]


def _short(commit: str) -> str:
    digits, plus, changes = commit.partition("+")
    return digits[:8] + plus + changes


def _sections(summary: pd.DataFrame, settings: Sequence[str]) -> list[Section]:
    """Return the tables of real data and of synthetic data, with one row for each data set and setting."""
    drawn = summary["dataset"].map(is_synthetic)
    sections = []
    for name, synthetic in (("Real data", False), ("Synthetic data", True)):
        part = summary[drawn == synthetic]
        if part.empty:
            continue
        varying = differing(part, settings)
        means = over_datasets(part, varying)
        sections.append(
            Section(
                name,
                synthetic,
                summary_table(part, ["dataset", *varying], ["runs"]),
                None
                if means.table is None
                else summary_table(means.table, [n for n in varying if n in means.table], ["data sets", "runs"]),
                means.note,
            )
        )
    return sections


def _embed(heatmaps: Iterable[Heatmap]) -> list[Picture]:
    return [Picture(uri, h.caption) for h in heatmaps if (uri := data_uri(h.path)) is not None]
