"""A benchmark's result as one picture."""

from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from fae.benchmark.inference import NETWORK, WHOLE
from fae.benchmark.inference import PLAIN as PLAIN_NETWORK
from fae.benchmark.scale import exponent
from fae.benchmark.training import BARE, PLAIN, STEP

_OURS, _PLAIN, _FLOOR = "#1f77b4", "#b0b0b0", "#d62728"


def plot(result: dict[str, Any]) -> Figure | None:
    """A panel for each part that was measured, and several for scale; None where there is nothing to draw."""
    panels: list[Callable[[Axes], None]] = []
    if "training" in result:
        panels.append(lambda axes: _training(axes, result["training"]))
    if "inference" in result:
        panels.append(lambda axes: _inference(axes, result["inference"]))
    if "switches" in result:
        panels.append(lambda axes: _switches(axes, result["switches"]["gain"]))
    for axis, points in result.get("scale", {}).items():
        panels.append(lambda axes, axis=axis, points=points: _scale(axes, axis, points))  # type: ignore[misc]
    if "data" in result:
        panels.append(lambda axes: _data(axes, result["data"]))
    if not panels:
        return None
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(6.5 * columns, 3.6 * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, draw in zip(grid, panels, strict=False):
        draw(axes)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    figure.suptitle(
        f"width {result['width']}, {result['precision']}, {result['device']}, {result['threads']} threads, "
        f"{result['date']}",
        fontsize=9,
    )
    return figure


def _bars(axes: Axes, names: list[str], values: list[float], colours: list[str], labels: list[str]) -> None:
    places = range(len(names))
    axes.barh(places, values, color=colours)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    for place, value, label in zip(places, values, labels, strict=True):
        side, where = (4, "left") if value >= 0 else (-4, "right")
        axes.annotate(label, (value, place), (side, 0), textcoords="offset points", va="center", ha=where, fontsize=8)
    axes.margins(x=0.18)
    axes.spines[["top", "right"]].set_visible(False)


def _training(axes: Axes, result: dict[str, Any]) -> None:
    names = {PLAIN: "plain step", STEP: "step", BARE: "its forward and backward"}
    values = [result["times"][name]["median_ms"] for name in names]
    _bars(axes, list(names.values()), values, [_PLAIN, _OURS, _OURS], [f"{value:,.0f}" for value in values])
    floor = result["floor"]["floor_ms"]
    axes.axvline(floor, color=_FLOOR, linewidth=1)
    axes.annotate(f"floor {floor:,.0f}", (floor, 1), (3, -9), ("data", "axes fraction"), "offset points", color=_FLOOR)
    batch, _, height, width = result["batch"]
    axes.set_title(f"training, {batch} × {height}×{width}", fontsize=10)
    axes.set_xlabel("ms, median")


def _inference(axes: Axes, result: list[dict[str, Any]]) -> None:
    names, values, colours, labels = [], [], [], []
    for one in result:
        for name, colour in ((PLAIN_NETWORK, _PLAIN), (NETWORK, _OURS), (WHOLE, _OURS)):
            times = one["times"][name]
            names.append(f"{name}, {one['batch']} × {one['side']}²")
            values.append(times["median_ms"] / one["batch"])
            labels.append(f"{values[-1]:,.3g}  (95 %: {times['p95_ms'] / one['batch']:,.3g})")
            colours.append(colour)
    _bars(axes, names, values, colours, labels)
    axes.tick_params(axis="y", labelsize=7)
    axes.margins(x=0.45)
    axes.set_title("scoring", fontsize=10)
    axes.set_xlabel("ms an image, median")


def _switches(axes: Axes, gain: dict[str, float]) -> None:
    values = [100 * value for value in gain.values()]
    _bars(axes, list(gain), values, [_OURS] * len(values), [f"{value:+.1f} %" for value in values])
    axes.axvline(0, color="black", linewidth=0.8)
    axes.margins(x=0.3)
    axes.set_title("a step with one switch turned over", fontsize=10)
    axes.set_xlabel("faster by, %")


def _scale(axes: Axes, axis: str, points: list[dict[str, Any]]) -> None:
    values, seconds, size = ([p[key] for p in points if p["seconds"]] for key in ("value", "seconds", "bytes"))
    _two_curves(axes, values, seconds, [s / 2**20 for s in size], "s", "peak memory, MiB")
    laws = f"time ~ {exponent(values, seconds):.2f}, memory ~ {exponent(values, size):.2f} (exponents, upper half)"
    axes.set_title(f"{axis}\n{laws}", fontsize=9)


def _data(axes: Axes, points: list[dict[str, Any]]) -> None:
    values = [p["value"] for p in points]
    first, later = ([p[key] for p in points] for key in ("first_run_s", "later_run_s"))
    memory = [p["anonymous_bytes"] / 2**20 for p in points]
    _two_curves(axes, values, first, memory, "s to the first batch", "anonymous memory, MiB")
    axes.plot(values, later, "o--", color=_OURS)
    axes.annotate("first run", (values[-1], first[-1]), (-6, 4), textcoords="offset points", ha="right", color=_OURS)
    axes.annotate("later runs", (values[-1], later[-1]), (-6, 4), textcoords="offset points", ha="right", color=_OURS)
    axes.set_title("training images, 128×128", fontsize=9)


def _two_curves(axes: Axes, values: list[float], left: list[float], right: list[float], one: str, other: str) -> None:
    axes.loglog(values, left, "o-", color=_OURS)
    axes.set_ylabel(one, color=_OURS)
    twin = axes.twinx()
    twin.loglog(values, right, "s-", color=_FLOOR, markersize=4)
    twin.set_ylabel(other, color=_FLOOR)
    for side in (axes, twin):
        side.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        side.yaxis.set_major_formatter("{x:,g}")
        side.minorticks_off()
        side.set_xticks(values, [f"{value:,}" for value in values])  # last: a logarithmic axis brings its own
