"""Fig. 8: mean and standard deviation of each pixel of a sliding window, over all windows of the training images.

python -m experiments.theory.moments $PIPED/PA_* --rows $MVTEC/screw        # writes moments.csv and .png
"""

import argparse
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from experiments.theory.images import normal_images
from experiments.theory.windows import window_moments
from fae.cli.command import plainly

HERE = Path(__file__).parent


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("textures", type=Path, nargs="*", help="folders in the MVTec AD layout; every pixel is shown")
    parser.add_argument("--rows", type=Path, nargs="*", default=[], help="of objects: the middle row is shown")
    parser.add_argument("--side", type=int, help="px; default: the images' own. Paper: 512")
    parser.add_argument("--out", type=Path, default=HERE)
    asked = parser.parse_args(arguments)
    asked.out.mkdir(parents=True, exist_ok=True)
    roots = [*asked.textures, *asked.rows]
    if not roots:
        parser.error("name at least one folder")
    figure = Figure(figsize=(15, 2.9 * -(-len(roots) // 4) + 0.4), layout="constrained")
    axes = figure.subplots(-(-len(roots) // 4), 4, squeeze=False, sharey=True).flat
    rows = []
    for axis, root in zip(axes, roots, strict=False):
        image = normal_images(root, asked.side).float() / 255
        window = image.shape[-1] // 2
        found = window_moments(image, window)
        if root in asked.rows:
            mean, deviation = found.mean[window // 2].numpy(), found.deviation[window // 2].numpy()
        else:
            mean, deviation = found.mean.flatten().numpy(), found.deviation.flatten().numpy()
        place = range(len(mean))
        axis.fill_between(place, mean - deviation, mean + deviation, color="#9ecae1", linewidth=0, label="± std")
        axis.plot(place, mean, color="#08519c", linewidth=0.8, label="mean")
        what = "middle row" if root in asked.rows else "all pixels"
        axis.set_title(f"{root.name}, {what} of {window}×{window}", fontsize=10)
        axis.set_ylim(0, 1)
        axis.set_xlabel("position in the flattened window" if root in asked.textures else "column")
        rows.append(
            {
                "set": root.name,
                "images": len(image),
                "window": window,
                "mean": float(found.mean.mean()),
                "mean_lowest": float(found.mean.min()),
                "mean_highest": float(found.mean.max()),
                "std": float(found.deviation.mean()),
                "std_lowest": float(found.deviation.min()),
                "std_highest": float(found.deviation.max()),
                "spread_of_means_over_std": float(found.mean.std() / found.deviation.mean()),
            }
        )
    for axis in list(figure.axes)[len(roots) :]:
        axis.set_axis_off()
    for axis in figure.axes[::4]:
        axis.set_ylabel("grey value")
    figure.axes[0].legend(loc="lower left", fontsize=8)
    figure.savefig(asked.out / "moments.png", dpi=90)
    table = pd.DataFrame(rows).round(4)
    table.to_csv(asked.out / "moments.csv", index=False)
    print(table.to_string(index=False))


if __name__ == "__main__":
    with plainly():
        main()
