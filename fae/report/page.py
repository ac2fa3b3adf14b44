"""The page: tables, plots and pictures of a sweep in one file that loads nothing; jinja2 lays it out."""

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
    """Real or synthetic data: never both."""

    name: str
    synthetic: bool
    table: Table
    means: Table | None
    note: str


def page(sweep: Sweep, runs: pd.DataFrame, settings: Sequence[str], pictures: int) -> str:
    """Lay out the page.

    Args:
        sweep: what lies in the folder.
        runs: from `tabulate`.
        settings: that vary.
        pictures: how many of the best heatmaps to embed, and of the worst.
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
        plotly=_script(get_plotlyjs()),
        best=_embed(best(found, pictures)),
        worst=_embed(worst(found, pictures)),
        has_heatmaps=bool(found),
        runs=runs_table(sweep, runs, settings),
        datatables=_script(bundle.read_text(encoding="utf-8")),
        datatables_css=Markup(bundle.with_suffix(".css").read_text(encoding="utf-8")),
    )


def _script(code: str) -> Markup:
    """Code of a library, which may stand inside a script element: there, "<!--" would swallow what ends it."""
    return Markup(code.replace("<!--", r"\x3c!--"))


def _div(figure: Any) -> str:
    config = {
        "displaylogo": False,
        "responsive": True,
        "modeBarButtons": [["toImage", "zoom2d", "pan2d", "resetScale2d"]],  # none that calls a server
    }
    return str(figure.to_html(full_html=False, include_plotlyjs=False, config=config))


def _facts(runs: pd.DataFrame, settings: Sequence[str]) -> list[tuple[str, str]]:
    """What is said above the tables."""
    same = {k: v for k, v in constant(runs).items() if k not in settings}
    # A resumed run names all commits that worked on it.
    commits = dict.fromkeys(commit for several in runs["git_commit"].dropna() for commit in several.split(", "))
    hours = pd.to_numeric(runs.loc[runs["weights_of"].isna(), "seconds"]).sum() / 3600
    return [
        ("data sets", str(runs["dataset"].nunique())),
        ("seeds", ", ".join(map(str, sorted(runs["seed"].unique())))),
        ("varies", ", ".join(map(label, settings)) or "nothing but data and seed"),
        (
            "the same in all runs",
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
    """Tables of real data, and of synthetic data, one row a data set and setting."""
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
