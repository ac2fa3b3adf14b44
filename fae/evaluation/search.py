"""Every k, n and t from one pass of the network: what each is worth, on damaged held-out and on test images."""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.table import Table
from torch import Tensor

from fae.evaluation.measure import Normals
from fae.machine.atomic import whole
from fae.metric.aupro import LIMITS
from fae.metric.auroc import auroc
from fae.metric.streaming import StreamingPixelMetrics
from fae.score.average import check_exponent
from fae.score.score import Score, image_scores
from fae.score.smoothing import check_smoothing, smooth
from fae.types import ImageScore, Residual

_AUPRO = f"aupro_{LIMITS[0]}"
_CHUNK = 16  # images


class Setting(NamedTuple):
    """One choice of what eqs. 3 and 14 leave open."""

    k: int
    n: int
    t: float


class Labelled(NamedTuple):
    """Residuals whose defects are known."""

    residual: Tensor
    """`(N, 1, H, W)`."""
    mask: Tensor
    """Same shape, bool: where the damage or the defect is."""
    judged: Tensor
    """Same shape, bool; False keeps a pixel out."""


class Row(NamedTuple):
    """What a setting is worth; fractions, NaN where a class is missing."""

    k: int
    n: int
    t: float
    val_pixel_auroc: float
    """Of the damaged held-out images: no defect is needed for it."""
    pixel_auroc: float
    aupro: float
    image_auroc: float
    pixel_error: float
    """By how much the AUROCs of pixels can be off, as they come from counts; and the AUPRO, below."""
    aupro_error: float

    @property
    def setting(self) -> Setting:
        """What was set."""
        return Setting(self.k, self.n, self.t)


class Grid:
    """All combinations of k, n and t.

    Args:
        k: widths of the filter, odd.
        n: numbers of passes; with none, k changes nothing, and one k stands for all.
        t: exponents of the damping.

    Raises:
        ValueError: a list is empty, or a value is outside its domain.
    """

    def __init__(self, k: Sequence[int], n: Sequence[int], t: Sequence[float]) -> None:
        for name, values in (("k", k), ("n", n), ("t", t)):
            if not values:
                raise ValueError(f"grid.{name} (={list(values)}) must hold at least one value")
        for width in k:
            for passes in n:
                check_smoothing(width, passes)
        for exponent in t:
            check_exponent(exponent)
        self.k, self.n, self.t = sorted(set(k)), sorted(set(n)), sorted(set(t))

    def __len__(self) -> int:
        return len(self.k) * len(self.n) * len(self.t)

    def smoothed(self, *residuals: Tensor) -> Iterator[tuple[int, int, list[Tensor]]]:
        """Every k and n with the smoothed residuals; a pass goes on from the pass before it."""
        for k in self.k:
            maps, done = list(residuals), 0
            for n in self.n:
                if n == 0 and k != self.k[0]:
                    continue
                maps, done = [smooth(one, k, n - done) for one in maps], n
                yield k, n, maps

    def sweep(
        self,
        residual: Residual,
        image_score: ImageScore,
        held_out: Normals,
        damaged: Labelled | None,
        test: Labelled,
        content: Tensor,
        label: NDArray[np.bool_],
    ) -> list[Row]:
        """Score every combination.

        Args:
            residual: what the residuals were made with.
            image_score: calibrated here, for each combination.
            held_out: residuals of the held-out normal images, not smoothed.
            damaged: the same images with seeded damage; None leaves `val_pixel_auroc` undefined.
            test: the test images.
            content: like the test images' residuals; False where an image was padded.
            label: `(N,)`, True for an anomalous test image.
        """
        rows = []
        broken = damaged.residual if damaged else test.residual[:0]
        for k, n, (normal, hurt, maps) in self.smoothed(held_out.anomaly_map, broken, test.residual):
            for t in self.t:
                score = Score(residual, image_score, k, n, t)
                by_others = score.learn(normal, held_out.content)
                found = StreamingPixelMetrics(regions=True)
                scores = []
                for chunk, inside in zip(
                    _count(found, maps, score.damping, test), torch.split(content, _CHUNK), strict=True
                ):
                    scores.append(image_scores(image_score, chunk, inside))
                values = torch.cat([torch.zeros(0), *scores]).numpy()
                by_image = auroc(values[~label], values[label])
                by_damage, damage_error = float("nan"), 0.0
                if damaged is not None:
                    of_damage = StreamingPixelMetrics()
                    copies = len(hurt) // len(normal)
                    own = by_others.repeat(copies, 1, 1, 1) if t > 0 else None
                    deque(_count(of_damage, hurt, own, damaged), maxlen=0)
                    by_damage, damage_error = (float(of_damage.compute()[name]) for name in ("auroc", "auroc_error"))
                measures = {name: float(value) for name, value in found.compute().items()}
                rows.append(
                    Row(
                        *(k, n, float(t), by_damage, measures["auroc"], measures[_AUPRO]),
                        float("nan") if by_image is None else by_image,
                        float(np.nanmax([damage_error, measures["auroc_error"]])),
                        measures[f"{_AUPRO}_error"],
                    )
                )
        return rows


def _count(metric: StreamingPixelMetrics, maps: Tensor, factor: Tensor | None, known: Labelled) -> Iterator[Tensor]:
    """Count pixels a few images at a time, which stay in the processor's cache; yields their maps."""
    factors = torch.ones(1).expand(maps.shape) if factor is None else factor.expand(maps.shape)
    parts = (maps, factors, known.mask, known.judged)
    for chunk, damped, *rest in zip(*(torch.split(part, _CHUNK) for part in parts), strict=True):
        chunk = chunk if factor is None else chunk * damped
        metric.update(chunk, *rest)
        yield chunk


def best(rows: Sequence[Row], column: str) -> Setting:
    """The setting that is highest in a column; of those within the counts' precision the one that does least.

    Raises:
        ValueError: the column is undefined, as a class is missing.
    """
    defined = [row for row in rows if not np.isnan(getattr(row, column))]
    if not defined:
        raise ValueError(f"no setting can be chosen by {column}: the images hold one class of pixels alone")
    highest = max(getattr(row, column) for row in defined)
    precision = max(row.pixel_error for row in defined)
    equal = [row.setting for row in defined if getattr(row, column) >= highest - precision]
    return min(equal, key=lambda setting: (setting.n, setting.k, setting.t))


def table(rows: Sequence[Row], chosen: dict[str, Setting]) -> Table:
    """For the terminal; `chosen` maps a protocol to its setting."""
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
    """A line a setting."""
    with whole(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(Row._fields)
        writer.writerows(rows)


def plot(rows: Sequence[Row], chosen: dict[str, Setting], title: str) -> Figure:
    """AUROC over (k, n): a row of panels for damaged held-out pixels, test pixels and test images, a column a t.

    Raises:
        ValueError: nothing is defined, as a class is missing everywhere.
    """
    titles = {
        "val_pixel_auroc": "damaged held-out pixels",
        "pixel_auroc": "test pixels",
        "image_auroc": "test images",
    }
    columns = [name for name in titles if any(np.isfinite(getattr(row, name)) for row in rows)]
    if not columns:
        raise ValueError("grid: no AUROC is defined, as the test images hold one class alone; use select=validation")
    ks, ns, ts = (sorted({row[i] for row in rows}) for i in range(3))
    figure = Figure(figsize=(0.9 + len(ts) * (1.1 + 0.75 * len(ks)), len(columns) * (1 + 0.42 * len(ns))))
    figure.set_layout_engine("constrained")
    figure.suptitle(f"AUROC: {title}")
    axes = figure.subplots(len(columns), len(ts), squeeze=False)
    for line, column in zip(axes, columns, strict=True):
        values = np.array([getattr(row, column) for row in rows])
        low, high = (np.nanmin(values), np.nanmax(values)) if np.isfinite(values).any() else (0.0, 1.0)
        low = min(low, high - 1e-3)  # what does not differ needs no colours
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
