"""The results of a search over k, n and t as a table, a CSV file and a picture."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from fae.evaluation.search import Row, Setting
from fae.machine.atomic import whole


def table(rows: Sequence[Row], chosen: dict[str, Setting]) -> Table:
    """Return a table for the terminal; `chosen` maps each protocol to its setting."""
    pixel, overlap = (np.nanmax([0.0, *(row[i] for row in rows)]) for i in (-2, -1))
    bounds = f"AUROC of pixels within {pixel:.0e}, AUPRO within {overlap:.0e}"
    result = Table(title=f"{bounds}; val: damaged held-out images")
    for name in Row._fields[:-2]:
        result.add_column(name.replace("_pixel_", "\npixel_").replace("_auroc", "\nauroc"), justify="right")
    result.add_column("chosen by")
    for row in rows:
        names = [name for name, setting in chosen.items() if setting == row.setting]
        values = [str(row.k), str(row.n), f"{row.t:g}", *(f"{value:.4f}" for value in row[3:-2])]
        result.add_row(*values, ", ".join(names), style="bold" if names else None)
    return result


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """Write one line for each setting."""
    with whole(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(Row._fields)
        writer.writerows(rows)


def plot(rows: Sequence[Row], chosen: dict[str, Setting], title: str) -> Figure:
    """Draw the AUROC over (k, n), with one column of panels for each t.

    The rows of panels stand for damaged held-out pixels, test pixels and test images.

    Raises:
        ValueError: no AUROC is defined, because a class is missing everywhere.
    """
    titles = {
        "val_pixel_auroc": "damaged held-out pixels",
        "pixel_auroc": "test pixels",
        "image_auroc": "test images",
    }
    columns = [name for name in titles if any(np.isfinite(getattr(row, name)) for row in rows)]
    if not columns:
        raise ValueError("grid: no AUROC is defined: the test images hold only one class; use select=validation")
    ks, ns, ts = (sorted({row[i] for row in rows}) for i in range(3))
    figure = Figure(figsize=(0.9 + len(ts) * (1.1 + 0.75 * len(ks)), len(columns) * (1 + 0.42 * len(ns))))
    figure.set_layout_engine("constrained")
    figure.suptitle(f"AUROC: {title}")
    axes = figure.subplots(len(columns), len(ts), squeeze=False)
    for line, column in zip(axes, columns, strict=True):
        values = np.array([getattr(row, column) for row in rows])
        low, high = (np.nanmin(values), np.nanmax(values)) if np.isfinite(values).any() else (0.0, 1.0)
        low = min(low, high - 1e-3)  # values that hardly differ get one colour
        for axis, t in zip(line, ts, strict=True):
            cells = np.full((len(ns), len(ks)), np.nan)
            for row in rows:
                at = (ns.index(row.n), slice(None) if row.n == 0 else ks.index(row.k))
                if row.t == t:
                    cells[at] = getattr(row, column)
            shown = axis.imshow(cells, vmin=low, vmax=high, cmap="viridis", aspect="auto")
            for (i, j), value in np.ndenumerate(cells):
                names = [
                    {"fixed": "F", "validation": "V", "oracle": "O"}[name]
                    for name, setting in chosen.items()
                    if setting == (ks[j], ns[i], t) or (setting.n == ns[i] == 0 and setting.t == t)
                ]
                dark = value < (low + high) / 2
                axis.text(
                    *(j, i, f"{value:.3f}" + (f"\n{' '.join(names)}" if names else "")),
                    **{"ha": "center", "va": "center", "fontsize": 8, "color": "white" if dark else "black"},
                    weight="bold" if names else "normal",
                )
            axis.set_xticks(range(len(ks)), [str(k) for k in ks])
            axis.set_yticks(range(len(ns)), [str(n) for n in ns])
            axis.set_title(f"{titles[column]}, t = {t:g}", fontsize=9)
            axis.set_xlabel("k (px)")
            axis.set_ylabel("n")
        figure.colorbar(shown, ax=line.tolist())
    figure.supxlabel("F: as configured   V: best on damaged held-out images   O: best on the test images", fontsize=9)
    return figure
