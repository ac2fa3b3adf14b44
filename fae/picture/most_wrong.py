"""The page to look at first: the images that a run is most wrong about; matplotlib lays them out."""

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from fae.data.index import GOOD
from fae.picture.heatmap import Picture, colour_limit, colours, outline

# Inches.
_SIDE = 2.1  # of a square panel; others have its area
_WIDEST = 14.0  # page, but for very wide panels
_NARROWEST = 8.0  # page, for its headings
_SHORTEST = 2.4  # room for a caption
_CAPTION = 0.45
_HEADING = 0.55
_SPACE = 0.25
_SCALE = 0.75  # with its numbers
_LETTER = 0.075  # of a caption, on average

_DENSITY = 110  # px an inch
_GAP = 4  # px
_WRONG = "#c04000"


def most_wrong(
    image: Tensor,
    anomaly_map: Tensor,
    mask: Tensor,
    image_score: NDArray[np.float32],
    types: NDArray[np.str_],
    names: Sequence[str],
    threshold: float | None,
    count: int,
) -> Figure:
    """Show the normal images that score highest and, below, the defective ones that score lowest.

    Each as the image with the true outline in green, and the map laid over it, in the colours of all maps given.

    Args:
        image: `(N, 3, H, W)` uint8.
        anomaly_map: `(N, 1, H, W)`, >= 0.
        mask: `(N, 1, H, W)` bool, the ground truth; empty where there is none.
        image_score: `(N,)`, finite; higher means more anomalous.
        types: `(N,)`, the defect type of each image, "good" for normal ones.
        names: of the images, for their captions.
        threshold: images that score above it are called anomalous; None where there is none.
        count: how many to show of either kind, where there are as many.

    Raises:
        ValueError: `count` is less than 1.
    """
    if count < 1:
        raise ValueError(f"count (={count}) must be at least 1, to show something")
    normal = types == GOOD
    falling, rising = np.argsort(-image_score, kind="stable"), np.argsort(image_score, kind="stable")
    wrong = (image_score > (math.inf if threshold is None else threshold)) == normal
    kinds = (
        ("normal images", "highest", ("false alarm", "false alarms"), falling[normal[falling]]),
        ("defective images", "lowest", ("miss", "misses"), rising[~normal[rising]]),
    )
    limit = colour_limit(anomaly_map) if len(anomaly_map) else 1.0

    ratio = math.sqrt(image.shape[-1] / image.shape[-2])
    width, height = 2 * _SIDE * ratio, _SIDE / ratio
    cell, row = max(width, _SHORTEST) + _SPACE, _CAPTION + height + _SPACE
    fit = max(1, int((_WIDEST - _SPACE) / cell))
    abreast = -(-count // -(-count // fit))  # rows of even length
    rows = sum(-(-min(count, len(order)) // abreast) for *_, order in kinds)
    page = max(_NARROWEST, _SPACE + abreast * cell), len(kinds) * _HEADING + rows * row + _SCALE
    figure = Figure(figsize=page)

    def place(left: float, top: float, width: float, height: float) -> Axes:
        return figure.add_axes((left / page[0], 1 - (top + height) / page[1], width / page[0], height / page[1]))

    top = 0.0
    for what, end, (mistake, mistakes), order in kinds:
        heading = f"{what}, {end} scores first" if len(order) else f"no {what}"
        if threshold is not None and len(order):
            heading += f" – {mistakes} at the threshold {threshold:.4g}: {wrong[order].sum()} of {len(order)}"
        figure.text(_SPACE / page[0], 1 - (top + _HEADING) / page[1], heading, fontsize=11, va="bottom")
        top += _HEADING
        for k, i in enumerate(order[:count].tolist()):
            axis = place(_SPACE + k % abreast * cell, top + k // abreast * row + _CAPTION, width, height)
            axis.set_axis_off()
            axis.imshow(_picture(image[i], anomaly_map[i], mask[i], limit, height), aspect="auto")
            verdict = "" if threshold is None else f", {mistake if wrong[i] else 'right'}"
            caption = f"{_short(names[i], cell - _SPACE)}\nscore {image_score[i]:.4g}{verdict}"
            colour = _WRONG if wrong[i] and verdict else "black"
            axis.set_title(caption, loc="left", fontsize=9, pad=3, color=colour, parse_math=False)
        top += -(-min(count, len(order)) // abreast) * row
    if rows:
        figure.colorbar(
            ScalarMappable(Normalize(0, limit), "inferno"),
            cax=place(_SPACE + 0.1, top + 0.1, 3.0, 0.12),
            orientation="horizontal",
            label="anomaly map, over the image",
        )
    return figure


def _short(name: str, room: float) -> str:
    """Keep the end of a name, which tells files apart, as far as there is room."""
    letters = int(room / _LETTER)
    return name if len(name) <= letters else f"…{name[1 - letters :]}"


def _picture(image: Tensor, anomaly_map: Tensor, mask: Tensor, limit: float, height: float) -> Picture:
    """Image with outline, and overlay, as large as they will be shown, so that the outline stays visible."""
    size = round(height * _DENSITY * image.shape[-1] / image.shape[-2]), round(height * _DENSITY)
    shrunk = size[1] < image.shape[-2]

    def fit(picture: NDArray[Any], enlarged: int) -> NDArray[Any]:
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrunk else enlarged))

    shown = fit(image.permute(1, 2, 0).numpy(), cv2.INTER_CUBIC)
    _, overlay = colours(shown, fit(anomaly_map[0].numpy(), cv2.INTER_LINEAR), limit)
    outline(shown, fit(mask[0].numpy() * np.uint8(255), cv2.INTER_NEAREST))
    return np.hstack([shown, np.full((size[1], _GAP, 3), 255, np.uint8), overlay])
