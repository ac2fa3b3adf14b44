"""Draws figs. 1, 2, 4, 10 and 11 of the paper from finished runs.

python -m experiments.figures.figures detections RUN... --out FILE.jpg         # fig. 1: input, heatmap, predicted mask
python -m experiments.figures.figures reconstructions RUN... --out FILE.jpg    # figs. 2 and 4, by objective
python -m experiments.figures.figures evaluations RUN... --out FILE.jpg        # fig. 10: hits, false alarms, misses
python -m experiments.figures.figures objectives AMPLIFY FILTER ZEROS --out FILE.jpg    # fig. 11: three runs on one set
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from experiments.figures.seen import Picture, Seen, grid, look
from fae.cli.command import plainly
from fae.picture.panel import heat, outline, overlay
from fae.run.folder import METRICS

TRUE, FALSE, MISSED = (0, 158, 60), (0, 90, 255), (230, 30, 30)
"""Green true positives, blue false positives, red false negatives: the paper's colours."""


def evaluation_map(image: Picture, found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> Picture:
    """The three kinds of pixels in colour over the faded image, `(H, W, 3)`."""
    faded = np.asarray((image.mean(axis=2, keepdims=True) * 0.35 + 165).round().astype(np.uint8).repeat(3, axis=2))
    for where, colour in ((found & truth, TRUE), (found & ~truth, FALSE), (~found & truth, MISSED)):
        faded[where] = colour
    return faded


def _overlay(seen: Seen) -> Picture:
    return overlay(seen.image, seen.anomaly_map, seen.limit)


def _heat(seen: Seen) -> Picture:
    return heat(seen.anomaly_map, seen.limit)


def detections(runs: list[list[Seen]]) -> Figure:
    """Fig. 1: input, heatmap and predicted mask."""
    rows = [[s.image, _overlay(s), s.found.astype(float)] for run in runs for s in run]
    return grid(rows, ("input", "heatmap", "predicted mask"), [s.title for run in runs for s in run])


def reconstructions(runs: list[list[Seen]]) -> Figure:
    """Figs. 2 and 4: input, reconstruction and their difference."""

    def outlined(seen: Seen) -> Picture:
        picture = seen.image.copy()
        outline(picture, seen.truth)
        return picture

    def change(seen: Seen) -> NDArray[np.float64]:
        return np.abs(seen.reconstruction.astype(float) - seen.image).max(axis=2) / 255

    rows = [[outlined(s), s.reconstruction, change(s)] for run in runs for s in run]
    return grid(rows, ("input, true outline", "reconstruction", "|difference|"), [s.title for run in runs for s in run])


def evaluations(runs: list[list[Seen]]) -> Figure:
    """Fig. 10: predicted mask and evaluation map, two images in a row."""
    rows, titles = [], []
    for run in runs:
        for pair in zip(run[::2], run[1::2], strict=False):
            rows.append(
                [p for s in pair for p in (s.image, s.found.astype(float), evaluation_map(s.image, s.found, s.truth))]
            )
            titles.append(pair[0].title.split()[0])
    return grid(rows, ("input", "predicted mask", "evaluation") * 2, titles)


def objectives(runs: list[list[Seen]]) -> Figure:
    """Fig. 11: maps of the same images by three runs, each run with a colour scale of its own."""
    rows = [[seen[0].image, seen[0].truth.astype(float), *map(_heat, seen)] for seen in zip(*runs, strict=True)]
    columns = ("input", "true mask", "amplify, elastic", "filter, elastic", "filter, zeros")
    return grid(rows, columns, [seen.title for seen in runs[0]])


FIGURES: dict[str, Callable[[list[list[Seen]]], Figure]] = {
    function.__name__: function for function in (detections, reconstructions, evaluations, objectives)
}
TRIPLE = (("amplify", "elastic"), ("filter", "elastic"), ("filter", "cut_out"))


def _check_triple(runs: list[Path]) -> None:
    facts = [json.loads((run / METRICS).read_text()) for run in runs]
    found = tuple((one["objective"], one["corruption"]) for one in facts)
    if found != TRIPLE:
        raise SystemExit(f"objectives takes three runs: {TRIPLE}; these are {found}")
    if len({one["dataset"] for one in facts}) > 1:
        raise SystemExit(f"objectives takes runs on the same images, not on {[one['dataset'] for one in facts]}")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figure", choices=FIGURES)
    parser.add_argument("runs", type=Path, nargs="+", help="finished runs of fae.train")
    parser.add_argument("--images", type=int, default=2, help="number of defective images of each run, drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the draw")
    parser.add_argument("--only", help="the only defect type to draw from")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args(arguments)
    if asked.images < 1 or (asked.figure == "evaluations" and asked.images % 2):
        raise SystemExit(
            f"--images (={asked.images}) must be positive, and even for evaluations, which shows two in a row"
        )
    if asked.figure == "objectives":
        _check_triple(asked.runs)
    runs = [look(run, asked.images, asked.seed, asked.only) for run in asked.runs]
    FIGURES[asked.figure](runs).savefig(asked.out, dpi=100, pil_kwargs={"optimize": True})
    print(f"{asked.out}: {sum(map(len, runs))} images of {len(runs)} runs, drawn with seed {asked.seed}")


if __name__ == "__main__":
    with plainly():
        main()
