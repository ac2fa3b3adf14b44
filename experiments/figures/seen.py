"""What a run finds in some test images, for pictures."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fae.evaluation.finished_run import Scored
from fae.picture.panel import colour_limit
from fae.run.folder import METRICS, finished_config
from fae.run.forward import predict

Picture = NDArray[np.uint8]


class Seen(NamedTuple):
    """What a run finds in one test image; each array is `(H, W)` or `(H, W, 3)`."""

    title: str
    image: Picture
    reconstruction: Picture
    anomaly_map: NDArray[np.float32]
    limit: float
    """The map value of the brightest colour, common to all images of the run."""
    found: NDArray[np.bool_]
    """Whether the map exceeds the run's threshold, which comes from held-out normal images."""
    truth: NDArray[np.bool_]


def look(run_dir: Path, count: int, seed: int, only: str | None = None) -> list[Seen]:
    """Some defective test images of a run, drawn at random so that nobody chooses them.

    Args:
        run_dir: a finished run.
        count: the number of images.
        seed: the seed of the draw; runs on the same images draw the same ones.
        only: the only defect type to draw from; None draws from all types.

    Raises:
        ValueError: there is no defective image of that type, or the run has no threshold for pixels.
    """
    scored = Scored(run_dir, finished_config(run_dir), None)
    _, maps = scored.maps()
    data = scored.data
    _, test = predict(scored.trainer, scored.module, data)
    threshold = json.loads((run_dir / METRICS).read_text())["pixel_threshold"]
    if threshold is None:
        raise ValueError(
            f"{run_dir} has no threshold for pixels; train it with more held-out images, data.val_fraction"
        )
    samples = data.test.samples
    defective = [i for i, sample in enumerate(samples) if sample.label and only in (None, sample.defect_type)]
    if not defective:
        raise ValueError(f"{run_dir} has no defective test images of the type {only}")
    chosen = np.random.default_rng(seed).permutation(defective)[:count]
    limit = colour_limit(maps)
    name = data.index.dataset.split(":")[1]
    return [
        Seen(
            f"{name} {samples[i].defect_type}/{samples[i].path.stem}",
            data.test.image[i].permute(1, 2, 0).numpy(),
            test.reconstruction[i].permute(1, 2, 0).numpy(),
            maps[i, 0].numpy(),
            limit,
            maps[i, 0].numpy() > threshold,
            data.mask[i, 0].numpy(),
        )
        for i in chosen
    ]


def grid(rows: Sequence[Sequence[NDArray[np.generic]]], columns: Sequence[str], titles: Sequence[str]) -> Figure:
    """A figure of pictures in rows; grey pictures lie in [0, 1].

    Args:
        rows: the rows of pictures, each as long as `columns`.
        columns: the titles above the columns.
        titles: the titles beside the rows.
    """
    panel = 1.75  # inches
    figure = Figure(figsize=(panel * len(columns) + 0.4, panel * len(rows) + 0.4), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.015, h_pad=0.015, wspace=0.01, hspace=0.01)
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    for i, (pictures, title) in enumerate(zip(rows, titles, strict=True)):
        for j, picture in enumerate(pictures):
            axis: Axes = axes[i, j]
            axis.imshow(picture, cmap="gray", vmin=0, vmax=1 if picture.ndim == 2 else None, interpolation="auto")
            axis.set_xticks([])
            axis.set_yticks([])
            for spine in axis.spines.values():
                spine.set_color("#bbbbbb")
            if i == 0:
                axis.set_title(columns[j], fontsize=9)
        axes[i, 0].set_ylabel(title, fontsize=7)
    return figure
