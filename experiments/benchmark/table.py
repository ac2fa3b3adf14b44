"""The result of a benchmark as tables for a terminal."""

from collections.abc import Callable, Iterable
from typing import Any

from rich.table import Table

from experiments.benchmark.inference import NETWORK
from experiments.benchmark.scale import exponent
from experiments.benchmark.turns import STEP


def tables(part: str, result: Any) -> list[Table]:
    """Make the tables of one part.

    Args:
        part: its name.
        result: its entry in the JSON.
    """
    return _TABLES[part](result)


def _table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, str) else _number(cell) for cell in row))
    return table


def _number(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _training(result: dict[str, Any]) -> list[Table]:
    floor, times = result["floor"], result["times"]
    step = times[STEP]["median_ms"]
    batch, _, height, width = result["batch"]
    rows = [(name, t["median_ms"], t["p95_ms"], t["rounds"], t["median_ms"] / step) for name, t in times.items()]
    demands = [
        ("arithmetic over matrix rate", floor["arithmetic_ms"], f"{floor['matrix_gflop_per_s']:,.0f} GFLOP/s"),
        ("bytes over copy bandwidth", floor["memory_ms"], f"{floor['copy_gb_per_s']:.1f} GB/s"),
        ("the larger of both, for each convolution", floor["floor_ms"], ""),
    ]
    findings = [
        ("network of the step", "compiled" if result["compiled"] else "not compiled"),
        ("a step against the plain implementation's", f"{result['speedup_over_plain']:.2f} × as fast"),
        ("share of the matrix rate, step", _percent(result["share_of_matrix_rate"])),
        ("share of the matrix rate, forward and backward", _percent(result["bare_share_of_matrix_rate"])),
        ("a step over its forward and backward", _percent(result["over_forward_and_backward"])),
        ("a step over its forward, backward and optimiser", _percent(result["over_forward_backward_and_optimiser"])),
    ]
    title = f"a training step, {batch} × {height}×{width}, in turn"
    return [
        _table(title, ("", "median ms", "95 % ms", "rounds", "of a step"), rows),
        _table(f"what {floor['tflop']:.3g} TFLOP and {floor['gib']:.3g} GiB demand", ("", "ms", "measured"), demands),
        _table("findings", ("", ""), findings),
    ]


def _inference(result: list[dict[str, Any]]) -> list[Table]:
    rows = [
        (f"{one['batch']} × {one['side']}×{one['side']}", name, t["median_ms"], t["p95_ms"], t["rounds"])
        + ((_percent(one["share_of_matrix_rate"]),) if name == NETWORK else ("",))
        for one in result
        for name, t in one["times"].items()
    ]
    return [_table("scoring", ("images", "", "median ms", "95 % ms", "rounds", "of matrix rate"), rows)]


def _memory(result: dict[str, int]) -> list[Table]:
    rows = [(name, size / 2**20) for name, size in result.items()]
    return [_table("peak memory beyond the network's, each in a process of its own", ("", "MiB"), rows)]


def _switches(result: dict[str, Any]) -> list[Table]:
    rows = [
        (name, t["median_ms"], "" if name not in result["gain"] else f"{100 * result['gain'][name]:+.1f} %")
        for name, t in result["times"].items()
    ]
    title = (
        f"forward, backward and optimiser; compiling makes {result['graphs_for_three_crops']} graphs for three crop "
        f"sizes in {result['compile_s']:.0f} s"
    )
    return [_table(title, ("", "median ms", "faster by"), rows)]


def _layers(result: list[dict[str, Any]]) -> list[Table]:
    rows = [
        (
            *(one["layer"], one["count"], one["gflop"]),
            *(_percent(one["forward_share_of_matrix_rate"]), _percent(one["backward_share_of_matrix_rate"])),
        )
        for one in result
    ]
    columns = ("convolution", "how many", "GFLOP", "forward", "backward")
    return [_table("share of the matrix rate, each kind of convolution by itself", columns, rows)]


def _scale(result: dict[str, list[dict[str, Any]]]) -> list[Table]:
    found = []
    for axis, points in result.items():
        values, seconds, size = ([p[key] for p in points if p["seconds"]] for key in ("value", "seconds", "bytes"))
        law = f"time grows as its power {exponent(values, seconds):.2f}, memory {exponent(values, size):.2f}"
        rows = [(p["value"], p["seconds"], None if p["bytes"] is None else p["bytes"] / 2**20) for p in points]
        found.append(_table(f"{axis}; {law}", ("", "s", "peak MiB"), rows))
    return found


def _data(result: list[dict[str, Any]]) -> list[Table]:
    rows = [(p["value"], p["first_run_s"], p["later_run_s"], p["anonymous_bytes"] / 2**20) for p in result]
    columns = ("training images", "first run: s to the first batch", "later runs", "anonymous memory, MiB")
    return [_table("how a run starts, images of 128×128", columns, rows)]


_TABLES: dict[str, Callable[[Any], list[Table]]] = {
    "training": _training,
    "inference": _inference,
    "memory": _memory,
    "switches": _switches,
    "layers": _layers,
    "scale": _scale,
    "data": _data,
}
