"""The pictures that go with an evaluation: its curves, and the images it is most wrong about."""

from pathlib import Path

import numpy as np

from fae.data.module import DataModule
from fae.evaluation.measure import Evaluation
from fae.picture.curves import curves
from fae.picture.most_wrong import most_wrong
from fae.picture.sheet import write_sheet

_WRONG = 6  # false alarms, and as many misses


def write_pictures(folder: Path, prefix: str, title: str, result: Evaluation, data: DataModule) -> list[Path]:
    """Write `<prefix>curves.png` and `<prefix>most_wrong.png`; without test images nothing.

    Returns:
        what was written.
    """
    samples = data.test.samples
    if not samples:
        return []
    types = np.array([sample.defect_type for sample in samples])
    names = [f"{sample.defect_type}/{sample.path.stem}" for sample in samples]
    pages = {
        "curves": curves(result.image_score, types, result.pixels, result.image_threshold, title),
        "most_wrong": most_wrong(
            *(data.test.image, result.anomaly_map, data.mask, result.image_score, types, names),
            *(result.image_threshold, _WRONG),
        ),
    }
    paths = [folder / f"{prefix}{name}.png" for name in pages]
    for path, page in zip(paths, pages.values(), strict=True):
        write_sheet(page, path)
    return paths
