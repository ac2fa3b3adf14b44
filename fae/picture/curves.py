"""The curves behind the numbers: ROC of images and pixels, per-region overlap, and the histogram of image scores."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from fae.data.index import GOOD
from fae.metric.aupro import LIMITS
from fae.metric.auroc import auroc
from fae.metric.counts import Counts, Curve, pro, roc
from fae.metric.counts import aupro as counted_aupro
from fae.metric.counts import auroc as counted_auroc

_ALL = "all"
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")  # Okabe and Ito 2008, legible on white
_DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)))  # used when there are more types than colours
_HATCHES = ("", "/////", ".....", "xxxxx")
_POINTS = 500
_BINS = 41  # an odd number puts equal scores in the middle
_SPAN = 100  # ratio of the highest to the lowest score above which their axis is logarithmic
_ENTRIES = 18  # per column of a legend

_Lines = dict[str, tuple[Curve, float] | None]
"""The curve and the area below it for each defect type and for "all"; None if a class is missing."""


class Lines(NamedTuple):
    """The curves of a run; each type's images, or anomalous pixels, are compared with all normal images, or pixels."""

    images: _Lines
    """The ROC curves of images."""
    pixels: _Lines
    """The ROC curves of pixels; empty if there are no masks."""
    regions: _Lines
    """The per-region overlap curves, with the area up to the first of `fae.metric.aupro.LIMITS`."""


def lines(image_score: NDArray[np.float32], types: NDArray[np.str_], pixels: Mapping[str, Counts]) -> Lines:
    """Find the curves by defect type; the arguments are described at `curves`."""
    names = sorted({*types.tolist(), *pixels} - {GOOD, _ALL})
    known = {name: pixels[name] for name in (_ALL, *names) if name in pixels}
    return Lines(
        _image_lines(image_score, types, names),
        {n: (roc(c), counted_auroc(c).value) if c.defined else None for n, c in known.items()},
        {
            n: (pro(c), counted_aupro(c, LIMITS[0]).value) if c.defined and c.region.any() else None
            for n, c in known.items()
        },
    )


def curves(
    image_score: NDArray[np.float32],
    types: NDArray[np.str_],
    pixels: Mapping[str, Counts],
    threshold: float | None,
    title: str,
) -> Figure:
    """Draw the ROC of images and of pixels, the per-region overlap and the image scores, each by defect type.

    If a curve cannot be drawn, its panel says why.

    Args:
        image_score: `(N,)` finite scores; higher means more anomalous.
        types: `(N,)` defect types of the images; "good" stands for normal images.
        pixels: counts of all normal pixels and of the anomalous pixels of one defect type, by type; "all" counts the
            anomalous pixels of every type; empty if there are no masks.
        threshold: score above which images are called anomalous; None if there is no threshold.
        title: heading of the figure.
    """
    names = sorted({*types.tolist(), *pixels} - {GOOD, _ALL})
    style = {name: _style(i) for i, name in enumerate(names)} | {_ALL: {"color": "black", "linewidth": 3.0}}
    found = lines(image_score, types, pixels)
    figure = Figure(figsize=(14, 9.5))
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.12)
    figure.suptitle(title, fontsize=14, parse_math=False)
    (images, scores), (detected, regions) = figure.subplots(2, 2)
    reason = _missing("images", (types == GOOD).any(), (types != GOOD).any())
    _draw(images, "ROC of images", found.images, style, reason)
    _histogram(scores, image_score, types, names, threshold)
    if found.pixels:
        counts = [pixels[name] for name in found.pixels]
        reason = _missing("pixels", any(c.normal.any() for c in counts), any(c.anomalous.any() for c in counts))
    else:
        reason = "no ground_truth masks"
    _draw(detected, "ROC of pixels", found.pixels, style, reason)
    _draw(regions, "per-region overlap (PRO)", found.regions, style, reason or "regions were not counted", LIMITS[0])
    return figure


def thinned(curve: Curve, limit: float = 1.0) -> Curve:
    """Drop invisible points: those beyond the limit, and all but some 500 points spread evenly along the curve.

    Args:
        curve: curve of any length; its first point stays, and its last point or the first point beyond the limit.
        limit: false positive rate at which the axis ends, in (0, 1].
    """
    end = np.searchsorted(curve.false_positive_rate, limit, side="right") + 1
    rate, found = curve.false_positive_rate[:end], curve.found[:end]
    way = rate / limit + found
    step = way[-1] / _POINTS
    reached = np.searchsorted(way, np.arange(_POINTS) * step)
    before_a_leap = np.flatnonzero(np.diff(way) > step)
    kept = np.unique(np.concatenate([reached, before_a_leap, [len(way) - 1]]))
    return Curve(rate[kept], found[kept])


def _style(i: int) -> dict[str, Any]:
    turn = i // len(_COLOURS) % len(_DASHES)
    return {"color": _COLOURS[i % len(_COLOURS)], "linestyle": _DASHES[turn], "linewidth": 1.5}


def _missing(what: str, normal: bool, anomalous: bool) -> str:
    absent = [f"no {kind} {what}" for kind, there in (("normal", normal), ("anomalous", anomalous)) if not there]
    return " and ".join(absent)


def _image_lines(image_score: NDArray[np.float32], types: NDArray[np.str_], names: list[str]) -> _Lines:
    normal = image_score[types == GOOD]
    lines: _Lines = {}
    for name in (_ALL, *names):
        anomalous = image_score[types != GOOD if name == _ALL else types == name]
        area = auroc(normal, anomalous)
        lines[name] = None if area is None else (_exact_roc(normal, anomalous), area)
    return lines


def _exact_roc(normal: NDArray[np.float32], anomalous: NDArray[np.float32]) -> Curve:
    """Return the exact ROC curve: every distinct score gets its own bin."""
    values, rank = np.unique(np.concatenate([normal, anomalous]), return_inverse=True)
    of_normal, of_anomalous = (np.bincount(r, minlength=len(values)) for r in np.split(rank, [len(normal)]))
    return roc(Counts.of(of_normal, of_anomalous))


def _draw(
    axis: Axes, title: str, lines: _Lines, style: Mapping[str, dict[str, Any]], reason: str, limit: float = 1.0
) -> None:
    axis.set_title(title)
    if not any(lines.values()):
        _say(axis, reason)
        return
    for name, line in lines.items():
        if line is None:
            axis.plot([], [], label=f"{name}  –", **style[name])
        else:
            axis.plot(*thinned(line[0], limit), label=f"{name}  {line[1]:.3f}", **style[name])
    if limit < 1:
        axis.axvline(LIMITS[1], color="#808080", linewidth=0.8)
        axis.set_xlabel(f"false positive rate, up to {limit}; thin line at {LIMITS[1]}")
        axis.set_ylabel("share of a region found, mean over regions")
    else:
        axis.plot([0, 1], [0, 1], color="#808080", linewidth=0.8, linestyle=":")
        axis.set_xlabel("false positive rate")
        axis.set_ylabel("share found")
    axis.set_xlim(-0.01 * limit, limit)
    axis.set_ylim(-0.01, 1.01)
    axis.grid(alpha=0.25)
    _legend(axis, "AUROC" if limit == 1 else f"AUPRO({limit})")


def _histogram(
    axis: Axes, image_score: NDArray[np.float32], types: NDArray[np.str_], names: list[str], threshold: float | None
) -> None:
    axis.set_title("image scores")
    if not len(image_score):
        _say(axis, "no images")
        return
    edges, scale = _edges(image_score, threshold)
    below = np.zeros(_BINS)
    for i, name in enumerate([GOOD, *names]):
        own = image_score[types == name]
        above = "" if threshold is None else f", {(own > threshold).sum()} above"
        top = below + np.histogram(own, edges)[0]
        axis.stairs(top, edges, baseline=below, fill=True, label=f"{name}  {len(own)}{above}", **_fill(i))
        below = top
    if threshold is not None:
        axis.axvline(threshold, color="black", linewidth=1.5, linestyle="--", label=f"threshold {threshold:.4g}")
    axis.set_xscale(scale)
    axis.set_ylim(bottom=0)
    axis.set_xlabel("image score")
    axis.set_ylabel("images, stacked")
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(axis, "images")


def _fill(i: int) -> dict[str, Any]:
    """Return the style of the i-th type; type 0 is the normal one."""
    if i == 0:
        return {"facecolor": "#bbbbbb", "linewidth": 0}
    turn = (i - 1) // len(_COLOURS) % len(_HATCHES)
    return {"facecolor": _style(i - 1)["color"], "edgecolor": "white", "hatch": _HATCHES[turn], "linewidth": 0}


def _edges(image_score: NDArray[np.float32], threshold: float | None) -> tuple[NDArray[np.float64], str]:
    """Return the edges of the histogram's bins, and the axis scale on which they are evenly spaced."""
    low, high = float(image_score.min()), float(image_score.max())
    if low > 0 and high / low > _SPAN and (threshold is None or threshold > 0):
        return np.geomspace(low, high, _BINS + 1), "log"
    margin = 0.0 if low < high else 0.1 * abs(low) or 0.1
    return np.linspace(low - margin, high + margin, _BINS + 1), "linear"


def _legend(axis: Axes, title: str) -> None:
    """Place a legend beside the panel, where it covers nothing."""
    entries = len(axis.get_legend_handles_labels()[1])
    axis.legend(
        title=title,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.02),
        frameon=False,
        fontsize=9,
        ncols=-(-entries // _ENTRIES),
        handlelength=2.6,
    )


def _say(axis: Axes, words: str) -> None:
    axis.set_axis_off()
    axis.text(0.5, 0.5, words, ha="center", va="center", fontsize=12, color="#606060", transform=axis.transAxes)
