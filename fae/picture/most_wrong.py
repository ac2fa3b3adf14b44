"""The page to look at first: the images that a run is most wrong about; matplotlib lays them out."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from fae.data.index import GOOD
from fae.picture.panel import Picture, Shown, beside, outline, overlay, picture, scaled, scaled_map, scaled_mask

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
_WRONG = "#c04000"


def most_wrong(shown: Shown, count: int) -> Figure:
    """Show the normal images that score highest and, below, the defective ones that score lowest.

    Each stands there as the image with the true outline in green, and as the map laid over it.

    Args:
        shown: the test images.
        count: how many to show of either kind, where there are as many.

    Raises:
        ValueError: `count` is less than 1.
    """
    if count < 1:
        raise ValueError(f"count (={count}) must be at least 1, to show something")
    image, image_score, names, threshold, limit = (
        *(shown.image, shown.image_score, shown.names, shown.threshold, shown.limit),
    )
    normal = shown.types == GOOD
    falling, rising = np.argsort(-image_score, kind="stable"), np.argsort(image_score, kind="stable")
    wrong = (image_score > (math.inf if threshold is None else threshold)) == normal
    kinds = (
        ("normal images", "highest", ("false alarm", "false alarms"), falling[normal[falling]]),
        ("defective images", "lowest", ("miss", "misses"), rising[~normal[rising]]),
    )

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
            axis.imshow(_pair(shown, i, limit, height), aspect="auto")
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


def _pair(shown: Shown, i: int, limit: float, height: float) -> Picture:
    """Image with outline, and overlay, as large as they will be shown, so that the outline stays visible."""
    rows, columns = shown.image.shape[-2:]
    size = round(height * _DENSITY * columns / rows), round(height * _DENSITY)
    image = scaled(picture(shown.image[i]), size)
    over = overlay(image, scaled_map(shown.anomaly_map[i, 0].numpy(), size), limit)
    outline(image, scaled_mask(shown.mask[i, 0].numpy(), size))
    return beside([image, over])
