"""Runs that went on from another one, each beside that run, on the same test images."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import plotly.graph_objects as go

from fae.metric.pixel import MEASURES
from fae.report.plots import COLOURS, styled
from fae.report.runs import Run, Sweep
from fae.report.tables import Cell, Table, href
from fae.run.parent import PARENT_COLUMNS, SCORES

_SHOWN = {
    "image_auroc": "image AUROC",
    "image_average_precision": "image average precision",
    **{measure.key("pixel"): f"pixel {measure.title}" for measure in MEASURES},
    "image_threshold": "image threshold",
    "image_false_alarms": "false alarms, images",
    "image_detections": "detections, images",
    "pixel_false_alarms": "false alarms, pixels",
    "pixel_detections": "detections, pixels",
}
_KINDS = (("normal", COLOURS[0], "circle"), ("defective", COLOURS[5], "x"))
_SIDE = 460  # px
_PERCENT = (-4.0, 104.0)  # with room for the points at both ends


class Continued(NamedTuple):
    """A run beside the one that it went on from."""

    run: Cell
    parent: str
    """The name of the folder of the run that it went on from."""
    table: Table
    figure: Any
    """The scores of each test image before and after; None if there are none."""


def continued(sweep: Sweep) -> list[Continued]:
    """Compare the runs of a sweep's folder that went on from another run with that run."""
    return [_beside(run, sweep.folder / str(run.row["run"])) for run in sweep.finished if run.parent.get("parent")]


def _beside(run: Run, folder: Path) -> Continued:
    rows: list[list[Cell | list[Cell]]] = []
    for key, title in _SHOWN.items():
        before, after = run.parent.get(f"parent_{key}"), run.row.get(key)
        if isinstance(before, int | float) and isinstance(after, int | float):
            change = f"{after - before:+.4f}".replace("-", "−")
            rows.append([Cell(title), *(Cell(text, True) for text in (f"{before:.4f}", f"{after:.4f}", change))])
    headings = [("", False), ("before", True), ("after", True), ("change", True)]
    name = str(run.row["run"])
    figure = _scores(folder / SCORES)
    return Continued(Cell(name, href=href(name) + "/"), str(run.parent["parent"]), Table(headings, rows), figure)


def _scores(path: Path) -> Any:
    """Draw the score of each image after against that before: in per cent, if both runs have a threshold."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        labels = [int(row["label"]) for row in rows]
        in_percent = all(row["anomaly_percent"] and row[PARENT_COLUMNS[1]] for row in rows)
        before, after = (PARENT_COLUMNS[1], "anomaly_percent") if in_percent else (PARENT_COLUMNS[0], "score")
        points = [(float(row[before]), float(row[after]), Path(row["path"])) for row in rows]
    except (OSError, KeyError, ValueError):  # the folder was changed; the table still holds
        return None
    if not points:
        return None
    figure = go.Figure()
    for label, (kind, colour, symbol) in enumerate(_KINDS):
        own = [point for point, its in zip(points, labels, strict=True) if its == label]
        figure.add_trace(
            go.Scatter(
                x=[x for x, _, _ in own],
                y=[y for _, y, _ in own],
                text=[f"{path.parent.name}/{path.name}" for _, _, path in own],
                hovertemplate="%{text}<br>before %{x:.4g}, after %{y:.4g}<extra></extra>",
                name=kind,
                mode="markers",
                marker={"color": colour, "symbol": symbol, "size": 7, "opacity": 0.7},
            )
        )
    unit = ", in per cent: 50 is the threshold" if in_percent else ""
    ends = _ends([x for point in points for x in point[:2]]) if not in_percent else _PERCENT
    figure.add_shape(type="line", x0=ends[0], y0=ends[0], x1=ends[1], y1=ends[1], line={"color": "#bbb", "dash": "dot"})
    if in_percent:
        figure.add_hline(50, line={"color": "#888", "width": 1})
        figure.add_vline(50, line={"color": "#888", "width": 1})
    figure.update_xaxes(title=f"score before{unit}", range=ends)
    figure.update_yaxes(title=f"score after{unit}", range=ends)
    return styled(figure, _SIDE).update_layout(width=_SIDE + 140)


def _ends(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = 0.05 * (high - low) or 1.0
    return low - room, high + room
