"""Draws image scores against the mean brightness of the images, to show whether brightness alone explains AUROC.

python -m experiments.tables.brightness RUN --out experiments/tables/screw.png

If mean brightness alone tells normal from defective, no image AUROC on these images is evidence.
"""

import argparse
from pathlib import Path

import numpy as np
from hydra.utils import instantiate
from matplotlib.figure import Figure

from experiments.ranking import ranked
from fae.cli.command import plainly
from fae.evaluation.finished_run import Scored
from fae.run.folder import finished_config
from fae.score.score import image_scores

SCORES = {"sum": "Sum", "maximum": "Max", "contrast": "Contrast"}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run of fae.train")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args(arguments)
    scored = Scored(asked.run, finished_config(asked.run), None)
    data = scored.data
    held_out, maps = scored.maps()
    defective = np.array([sample.label for sample in data.test.samples], bool)
    bright, trained = (split.image.float().mean(dim=(1, 2, 3)).numpy() for split in (data.test, data.train))
    if defective.all() or not defective.any():
        raise ValueError(f"{data.index.dataset} has only normal or only defective test images; AUROC needs both")
    figure = Figure(figsize=(15, 4.2), layout="constrained")
    axes = figure.subplots(1, 1 + len(SCORES))
    bins = np.linspace(min(bright.min(), trained.min()), max(bright.max(), trained.max()), 30)
    kinds = (
        (trained, "train", "#999999"),
        (bright[~defective], "test, good", "#0072b2"),
        (bright[defective], "test, defective", "#d55e00"),
    )
    for values, name, colour in kinds:
        axes[0].hist(values, bins, density=True, alpha=0.6, color=colour, label=f"{name} ({len(values)})")
    best = max(ranked(bright, defective), ranked(-bright, defective))
    axes[0].set_title(f"mean brightness, of 255\nAUROC by it alone {best:.3f}", fontsize=10)
    axes[0].legend(fontsize=8)
    print(f"{data.index.dataset}: AUROC by mean brightness alone {best:.4f}")
    for axis, (name, target) in zip(axes[1:], SCORES.items(), strict=True):
        reduce = instantiate({"_target_": f"fae.score.image_score.{target}"})
        reduce.calibrate(held_out.anomaly_map[held_out.content].view(1, 1, 1, -1))
        values = image_scores(reduce, maps, data.test.content).numpy()
        for which, colour in ((~defective, "#0072b2"), (defective, "#d55e00")):
            axis.scatter(bright[which], values[which], s=12, color=colour, alpha=0.7)
        axis.set_yscale("log")
        axis.set_xlabel("mean brightness")
        axis.set_title(f"image score: {name} of the map\nAUROC {ranked(values, defective):.3f}", fontsize=10)
        axis.grid(alpha=0.25)
        print(f"image score {name}: AUROC {ranked(values, defective):.4f}")
    figure.suptitle(data.index.dataset)
    figure.savefig(asked.out, dpi=90)


if __name__ == "__main__":
    with plainly():
        main()
