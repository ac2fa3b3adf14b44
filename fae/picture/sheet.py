"""The contact sheet of a corruption; matplotlib draws it, because the histograms need axes."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from fae.machine.atomic import whole
from fae.types import Batch

_ABREAST = 2  # examples in a row
_COLUMNS = ("clean", "corrupted", "mask M", "|difference| × 2")
_GAP = 0.03  # as a share of an image's side
_REGION = "#2e9cff"


def coverage(batch: Batch) -> Tensor:
    """Return the damaged share of each image or region of interest, which is the mean of M; `(B,)` in [0, 1]."""
    if batch.roi is None:
        return batch.corruption_mask.flatten(1).mean(dim=1)
    return (batch.corruption_mask * batch.roi).flatten(1).sum(dim=1) / batch.roi.flatten(1).sum(dim=1).clamp_min(1)


def amplitude(batch: Batch) -> Tensor:
    """Return the mean of |X̂ − X| over what is damaged and counts, `(B,)` in [0, 1]; 0 if nothing is damaged."""
    difference = (batch.corrupted - batch.clean).abs().mean(dim=1, keepdim=True)
    weight = batch.corruption_mask if batch.roi is None else batch.corruption_mask * batch.roi
    return (difference * weight).flatten(1).sum(dim=1) / weight.flatten(1).sum(dim=1).clamp_min(1e-6)


def contact_sheet(examples: Batch, covered: Tensor, strength: Tensor, title: str) -> Figure:
    """Show examples, and histograms of how much of many images is damaged and how strongly.

    Args:
        examples: clean and corrupted images to show, with their masks.
        covered: `(N,)` damaged shares from `coverage`, in [0, 1].
        strength: `(N,)` mean changes from `amplitude`, in [0, 1].
        title: heading of the sheet.
    """
    count = len(examples.clean)
    rows = -(-count // _ABREAST)
    height, width = examples.clean.shape[-2:]
    panel = 1.6  # inches
    figure = Figure(figsize=(_ABREAST * 4 * panel + 0.4, rows * panel * height / width + 3.2), layout="constrained")
    halves = figure.subfigures(2, 1, squeeze=False, height_ratios=[rows * panel * height / width + 0.7, 2.5])
    top, bottom = halves[0, 0], halves[1, 0]
    top.suptitle(title if examples.roi is None else f"{title}; what lies outside of the blue outlines counts nowhere")
    axes = top.subplots(rows, _ABREAST * 4, squeeze=False, gridspec_kw={"wspace": _GAP, "hspace": _GAP})
    for axis in axes.flat:
        axis.set_axis_off()
    for i in range(count):
        for j, picture in enumerate(_panels(examples, i)):
            axis = axes[i // _ABREAST, i % _ABREAST * 4 + j]
            axis.imshow(picture, vmin=0, vmax=1, cmap="gray", interpolation="nearest")
            if examples.roi is not None and not examples.roi[i].all():
                axis.contour(examples.roi[i, 0].numpy(), levels=[0.5], colors=[_REGION], linewidths=0.8)
            if i < _ABREAST:
                axis.set_title(_COLUMNS[j], fontsize=9)
    left, right = bottom.subplots(1, 2)
    for axis, values, name in (
        (left, covered, f"coverage: share of the {'image' if examples.roi is None else 'region'}, mean of M"),
        (right, strength, "amplitude: mean |X̂ − X| over M"),
    ):
        shown = values.numpy()
        axis.hist(shown, bins=40, color="#4c72b0")
        axis.axvline(float(np.median(shown)), color="black", linewidth=1)
        axis.set_xlabel(f"{name}; median {np.median(shown):.3g}")
        axis.set_ylabel(f"of {len(shown)} images")
        axis.set_xlim(left=0)
    return figure


def _panels(batch: Batch, i: int) -> list[NDArray[np.float32]]:
    clean, corrupted = (t[i].permute(1, 2, 0).clamp(0, 1).numpy() for t in (batch.clean, batch.corrupted))
    difference = 2 * (batch.corrupted[i] - batch.clean[i]).abs().amax(dim=0).numpy()
    return [clean, corrupted, batch.corruption_mask[i, 0].numpy(), difference]


def write_sheet(figure: Figure, path: Path) -> None:
    """Write a PNG file, either completely or not at all."""
    with whole(path) as draft:
        figure.savefig(draft, format="png", dpi=110)
