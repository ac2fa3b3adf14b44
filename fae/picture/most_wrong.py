"""The page to look at first: it shows the images that a run is most wrong about. Matplotlib lays it out."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from fae.data.index import GOOD
from fae.picture.panel import Picture, Shown, beside, dim, outline, overlay, picture, scaled, scaled_map, scaled_mask

# All lengths are in inches.
_SIDE = 2.1  # side of a square panel; other panels have the area of this square
_WIDEST = 14.0  # widest page, except for very wide panels
_NARROWEST = 8.0  # narrowest page; its headings need the room
_SHORTEST = 2.4  # narrowest panel; its caption needs the room
_CAPTION = 0.45
_HEADING = 0.55
_SPACE = 0.25
_SCALE = 0.75  # colour scale with its numbers
_LETTER = 0.075  # average width of a letter in a caption

_DENSITY = 110  # px an inch
_WRONG = "#c04000"


def most_wrong(shown: Shown, count: int) -> Figure:
    """Show the normal images that score highest and, below, the defective ones that score lowest.

    Each appears twice: as the image with the true outline in green, and as the image under its map.

    Args:
        shown: scored test images.
        count: largest number of images to show of either kind, at least 1.

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
    abreast = -(-count // -(-count // fit))  # images per row, such that all rows are about equally long
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
            caption = f"{_short(names[i], cell - _SPACE)}\n{shown.score(i)}{verdict}"
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
    """Shorten a name to the room there is; its end is kept, because the end tells files apart."""
    letters = int(room / _LETTER)
    return name if len(name) <= letters else f"…{name[1 - letters :]}"


def _pair(shown: Shown, i: int, limit: float, height: float) -> Picture:
    """Draw the image with outline, and the overlay, in the size in which they appear: the outline stays visible."""
    rows, columns = shown.image.shape[-2:]
    size = round(height * _DENSITY * columns / rows), round(height * _DENSITY)
    image = scaled(picture(shown.image[i]), size)
    over = overlay(image, scaled_map(shown.anomaly_map[i, 0].numpy(), size), limit)
    if shown.roi is not None:
        roi = scaled_mask(shown.roi[i, 0].numpy(), size)
        dim(over, roi)
        dim(image, roi)
    outline(image, scaled_mask(shown.mask[i, 0].numpy(), size))
    return beside([image, over])
