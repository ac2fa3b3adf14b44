"""Plots of the metrics against the settings that vary in a sweep; plotly draws them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from fae.report.means import is_synthetic, label, natural, text

_PANELS = {"image_auroc": "image AUROC", "pixel_auroc": "pixel AUROC"}
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#666666", "#8c6d31", "#7b4173")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star")
_LINES = 20  # more lines could not be told apart


class Plot(NamedTuple):
    """A figure, with a caption that says over what its points are averaged."""

    title: str
    figure: Any
    caption: str


def plots(runs: pd.DataFrame, settings: Sequence[str]) -> list[Plot]:
    """Draw the data sets side by side, and the metrics against every setting that varies and is a number.

    Args:
        runs: table from `tabulate`; it may hold real and synthetic data, because no point is a mean over data sets.
        settings: names of the settings that vary.
    """
    within = [name for name in settings if (runs.groupby("dataset")[name].nunique() > 1).any()]
    within = [name for name in within if _are_numbers(runs[name].dropna())]
    return [_bars(runs, settings), *(_against(runs, name, settings) for name in within)]


def _are_numbers(column: "pd.Series[Any]") -> bool:
    """Return whether a column can be an axis: it holds numbers or words that stand for numbers, and no truth values."""
    truth = column.map(lambda value: isinstance(value, bool))
    return bool(pd.to_numeric(column, errors="coerce").notna().all() and not truth.any())


def _against(runs: pd.DataFrame, setting: str, settings: Sequence[str]) -> Plot:
    others = [name for name in settings if name != setting]
    keys = ["dataset", *others]
    pooled: list[str] = []
    if runs.groupby(keys, dropna=False).ngroups > _LINES:
        pooled = [name for name in others if name != "objective"]
        keys = ["dataset", *(["objective"] if "objective" in others else [])]
    figure = make_subplots(1, 2, subplot_titles=list(_PANELS.values()), horizontal_spacing=0.07)
    datasets, marks = list(runs["dataset"].unique()), dict[Any, int]()
    groups = sorted(runs.groupby(keys, dropna=False), key=lambda group: list(map(natural, group[0])))
    for i, (key, group) in enumerate(groups):
        colour, mark = datasets.index(key[0]), marks.setdefault(key[1:], len(marks))
        at = group.assign(at=pd.to_numeric(group[setting])).groupby("at")
        for column, measure in enumerate(_PANELS, 1):
            mean, spread = at[measure].mean(), at[measure].std(ddof=1)
            figure.add_trace(
                go.Scatter(
                    x=mean.index.tolist(),
                    y=mean.tolist(),
                    error_y=_error(spread),
                    name=_name(keys, key),
                    legendgroup=str(i),
                    showlegend=column == 1,
                    mode="lines+markers",
                    line={"color": COLOURS[colour % len(COLOURS)], "dash": _DASHES[mark % len(_DASHES)]},
                    marker={"symbol": _SYMBOLS[mark % len(_SYMBOLS)], "size": 8},
                ),
                row=1,
                col=column,
            )
    figure.update_xaxes(title=label(setting))
    return Plot(f"AUROC against {label(setting)}", styled(figure, 420), _caption(pooled))


def _bars(runs: pd.DataFrame, settings: Sequence[str]) -> Plot:
    pooled = [name for name in settings if name != "objective"]
    figure = make_subplots(2, 1, subplot_titles=list(_PANELS.values()), vertical_spacing=0.12, shared_xaxes=True)
    objectives = sorted(runs["objective"].unique())
    datasets = sorted(runs["dataset"].unique(), key=lambda name: (is_synthetic(name), name))
    lowest = 1.0
    for row, measure in enumerate(_PANELS, 1):
        for i, objective in enumerate(objectives):
            groups = runs[runs["objective"] == objective].groupby("dataset")[measure]
            mean, spread = groups.mean().reindex(datasets), groups.std(ddof=1).reindex(datasets)
            lowest = min(lowest, (mean - spread.fillna(0)).min())
            figure.add_trace(
                go.Bar(
                    x=datasets,
                    y=mean.tolist(),
                    error_y=_error(spread),
                    name=objective,
                    legendgroup=objective,
                    showlegend=row == 1,
                    marker_color=COLOURS[i % len(COLOURS)],
                ),
                row=row,
                col=1,
            )
        trivial = runs.groupby("dataset")[f"trivial_{measure}"].mean().reindex(datasets)
        figure.add_trace(
            go.Scatter(
                x=datasets,
                y=trivial.tolist(),
                name="without learning",
                legendgroup="trivial",
                showlegend=row == 1,
                mode="markers",
                marker={"symbol": "line-ew-open", "size": 26, "color": "black", "line": {"width": 2}},
            ),
            row=row,
            col=1,
        )
        lowest = min(lowest, trivial.min()) if trivial.notna().any() else lowest
    bottom = 0.5 if lowest >= 0.5 else 0.0
    figure.update_yaxes(range=[bottom, 1.02])
    caption = _caption(pooled) + (" Axes begin at 0.5, the level of chance." if bottom else "")
    return Plot("AUROC by data set", styled(figure, 560), caption)


def _error(spread: "pd.Series[float]") -> dict[str, Any]:
    """Return error bars as long as the standard deviation; a single run gets none."""
    return {"array": [None if value != value else value for value in spread], "thickness": 1, "width": 3}


def _name(keys: Sequence[str], key: Sequence[Any]) -> str:
    dataset, *others = zip(keys, key, strict=True)
    words = (str(v) if k in ("objective", "corruption") else f"{label(k)} {text(v)}" for k, v in others)
    return " · ".join([str(dataset[1]), *words])


def _caption(pooled: Sequence[str]) -> str:
    over = "seeds" if not pooled else f"seeds and over {', '.join(map(label, pooled))}"
    return f"The plot shows mean and standard deviation over {over}, never over data sets."


def styled(figure: Any, height: int) -> Any:
    """Give a figure the look that all figures of the page share; `height` is in px."""
    figure.update_layout(
        template="plotly_white",
        height=height,
        margin={"l": 50, "r": 20, "t": 40, "b": 50},
        font={"family": "system-ui, sans-serif", "size": 13},
        barmode="group",
    )
    return figure
