"""The pages of an evaluation: its curves, and the images that it is most wrong about."""

from collections.abc import Mapping
from pathlib import Path

from fae.metric.counts import Counts
from fae.picture.curves import curves
from fae.picture.most_wrong import most_wrong
from fae.picture.panel import Shown
from fae.picture.sheet import write_sheet

_WRONG = 6  # number of false alarms, and of misses


def write_pages(folder: Path, prefix: str, title: str, shown: Shown, pixels: Mapping[str, Counts]) -> list[Path]:
    """Write `<prefix>curves.png` and `<prefix>most_wrong.png`, or nothing if there are no test images.

    Args:
        folder: folder for the files.
        prefix: prefix of the files' names.
        title: title of the curves.
        shown: scored test images.
        pixels: counts of the pixels' scores by defect type, see `fae.picture.curves.curves`.

    Returns:
        the paths of the written files.
    """
    if not len(shown.image):
        return []
    pages = {
        "curves": curves(shown.image_score, shown.types, pixels, shown.threshold, title),
        "most_wrong": most_wrong(shown, _WRONG),
    }
    paths = [folder / f"{prefix}{name}.png" for name in pages]
    for path, page in zip(paths, pages.values(), strict=True):
        write_sheet(page, path)
    return paths
