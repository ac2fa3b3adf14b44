"""The result of a benchmark as one picture."""

from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from experiments.benchmark.inference import NETWORK, WHOLE
from experiments.benchmark.inference import PLAIN as PLAIN_NETWORK
from experiments.benchmark.scale import exponent
from experiments.benchmark.training import PLAIN
from experiments.benchmark.turns import BARE, STEP

_OURS, _OURS_LATER, _PLAIN, _FLOOR = "#1f77b4", "#7fb8dd", "#b0b0b0", "#d62728"
LAWS = {
    "training, side of the crop": (2, 2),
    "training, batch": (1, 1),
    "training, width": (2, 1),
    "inference, side of the image": (2, 2),
}
"""By axis: the exponents with which time and memory should grow."""


def plot(result: dict[str, Any]) -> Figure | None:
    """Draw a panel for each measured part, and one for each axis of `scale`; None if there is nothing to draw."""
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
            labels.append(f"{_round(values[-1])}  (95 %: {_round(times['p95_ms'] / one['batch'])})")
            colours.append(colour)
    _bars(axes, names, values, colours, labels)
    axes.tick_params(axis="y", labelsize=7)
    axes.margins(x=0.55)
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
    time_law, memory_law = LAWS.get(axis, (None, None))
    _growth(axes, values, seconds, "time", "s", _OURS, time_law)
    _growth(axes, values, [s / 2**20 for s in size], "peak memory", "MiB", _FLOOR, memory_law)
    _finish(axes, values, axis)


def _data(axes: Axes, points: list[dict[str, Any]]) -> None:
    values = [p["value"] for p in points]
    first, later = ([p[key] for p in points] for key in ("first_run_s", "later_run_s"))
    _growth(axes, values, first, "first run to the first batch", "s", _OURS, 1)
    _growth(axes, values, later, "later runs", "s", _OURS_LATER)
    memory = [p["anonymous_bytes"] / 2**20 for p in points]
    _growth(axes, values, memory, "anonymous memory", "MiB", _FLOOR)
    _finish(axes, values, "training images, 128×128")


def _growth(
    axes: Axes, values: list[float], found: list[float], name: str, unit: str, colour: str, law: float | None = None
) -> None:
    """Draw values relative to the first one, so that all share an axis, and the expected growth as a dashed line."""
    ends = f"{found[0]:,.3g} to {_round(found[-1])} {unit}"
    label = f"{name}: {ends}, ~ {exponent(values, found):.2f}"
    axes.plot(values, [value / found[0] for value in found], "o-", markersize=4, color=colour, label=label)
    if law is not None:
        expected = [(value / values[0]) ** law for value in values]
        axes.plot(values, expected, "--", linewidth=1, color=colour, label=f"expected: ~ {law:g}")


def _round(value: float) -> str:
    """Text with three digits and without an exponent."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _finish(axes: Axes, values: list[float], title: str) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylabel("times the first point")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.minorticks_off()
    axes.set_xticks(values, [f"{value:,}" for value in values])  # last: a logarithmic axis brings its own
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, title="powers by the upper half", title_fontsize=8)
    axes.set_title(title, fontsize=9)
