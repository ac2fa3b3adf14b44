"""Fig. 9: how often X is the training image nearest to X̂ and to F(X̂), and how far F(X̂) is from X, by patch width.

python -m experiments.theory.orthogonality RUN...        # writes experiments/theory/orthogonality.csv and .png

X, X̂ and F(X̂) are points of the run's own space: pixels, or features of the images.
"""

import argparse
from itertools import cycle
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor
from tqdm import tqdm

from experiments.theory.nearest import nearest, swapped
from fae.cli.command import plainly
from fae.evaluation.finished_run import Scored
from fae.run.build import build_module
from fae.run.folder import finished_config

HERE = Path(__file__).parent
WIDTHS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9)
"""√(|S| / N)."""


def passed(network: torch.nn.Module, image: Tensor, batch: int = 16) -> Tensor:
    with torch.inference_mode():
        return torch.cat([network(part) for part in image.split(batch)])


def nearest_share(query: Tensor, point: Tensor, image: Tensor, target: Tensor) -> float:
    """Share of the queries whose nearest point is of their target image, or of a copy: data sets hold images twice."""
    found = image[nearest(query, point).which]
    return float((found == image[target]).flatten(1).all(dim=1).double().mean())


def measure(run_dir: Path, repeats: int, same_place: bool, seed: int) -> pd.DataFrame:
    """A row for each network and width, over all training images `repeats` times."""
    scored = Scored(run_dir, finished_config(run_dir), None)
    image = scored.data.train.image.float() / 255
    side = min(image.shape[-2:])
    space = scored.module.network.space
    clean = passed(space, image)
    torch.manual_seed(seed)
    untrained = build_module(scored.cfg, scored.score).train()
    for _ in range(15):  # batch norm needs statistics, without which the network is a constant
        passed(untrained, clean)
    networks = {"trained": scored.module.eval(), "untrained": untrained.eval()}
    rows = []
    for fraction in tqdm(WIDTHS, desc=run_dir.name):
        width = round(fraction * side)
        generator = torch.Generator().manual_seed(seed)
        damaged = torch.cat([swapped(image, width, generator, same_place) for _ in range(repeats)])
        target = torch.arange(len(image)).repeat(repeats)
        points = passed(space, damaged)
        to_damaged = nearest_share(points, clean, image, target)
        for name, network in networks.items():
            output = passed(network, points)
            error = (output - clean.repeat(repeats, 1, 1, 1)).double().flatten(1).norm(dim=1)
            rows.append(
                {
                    "run": f"{scored.data.index.dataset.split(':')[1]} {run_dir.name}",
                    "dataset": scored.data.index.dataset,
                    "space": space.name,
                    "objective": str(scored.cfg.objective._target_).rsplit(".", 1)[-1].lower(),
                    "steps": int(scored.cfg.trainer.max_steps),
                    "network": name,
                    "width": width / side,
                    "share": (width / side) ** 2,
                    "images": len(image),
                    "trials": len(damaged),
                    "nearest_to_damaged": to_damaged,
                    "nearest_to_output": nearest_share(output, clean, image, target),
                    "distance": float(error.mean()),
                    "distance_std": float(error.std()),
                    "distance_per_value": float(error.mean()) / clean[0].numel(),
                    "rms": float(error.square().mean().sqrt()) / clean[0].numel() ** 0.5,
                }
            )
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, path: Path) -> None:
    panels = (
        ("nearest_to_damaged", "X is nearest to X̂ (no network)"),
        ("nearest_to_output", "X is nearest to F(X̂)"),
        ("distance", "‖F(X̂) − X‖, mean ± std"),
    )
    figure = Figure(figsize=(14, 4.6), layout="constrained")
    colours = cycle(("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#666666"))
    by_run = dict(zip(table["run"].unique(), colours, strict=False))
    spaces = table["space"].map(lambda name: "" if name == "pixel" else f", {name}")
    names = table["dataset"].str.split(":").str[1] + spaces
    trained = names + ", " + table["objective"] + ", " + table["steps"].astype(str) + " steps"
    table = table.assign(name=trained.where(table["network"] == "trained", names + ", untrained"))
    for axis, (column, title) in zip(figure.subplots(1, 3), panels, strict=True):
        drawn = set()
        for (run, network), own in table.groupby(["run", "network"], sort=False):
            # Without a network, and without training, runs on the same images are the same.
            place = own["dataset"].iloc[0], own["space"].iloc[0]
            what = place, "" if column == "nearest_to_damaged" else own["name"].iloc[0]
            if what in drawn:
                continue
            drawn.add(what)
            colour, style = by_run[run], "-" if network == "trained" else "--"
            axis.plot(own["width"], own[column], style, color=colour, marker=".", label=own["name"].iloc[0])
            if column == "distance":
                low, high = own["distance"] - own["distance_std"], own["distance"] + own["distance_std"]
                axis.fill_between(own["width"], low, high, color=colour, alpha=0.15, linewidth=0)
        axis.axvline(np.sqrt(0.5), color="red", linestyle=":")
        axis.set_xlabel("√(|S| / N); dotted: |S| = |S̄|")
        axis.set_title(title)
        axis.grid(alpha=0.25)
        if column == "distance":
            axis.set_yscale("log")
            axis.yaxis.set_major_formatter("{x:g}")
            axis.yaxis.set_minor_formatter("{x:g}")
        else:
            axis.set_ylim(-0.03, 1.03)
    handles, labels = figure.axes[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)
    figure.savefig(path, dpi=100)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", help="finished runs of fae.train")
    parser.add_argument("--repeats", type=int, default=10, help="damaged copies of each training image and width")
    parser.add_argument("--same-place", action="store_true", help="take patches from where they go to")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE)
    asked = parser.parse_args(arguments)
    if asked.repeats < 1:
        raise ValueError(f"--repeats (={asked.repeats}) must be at least 1")
    asked.out.mkdir(parents=True, exist_ok=True)
    table = pd.concat([measure(run, asked.repeats, asked.same_place, asked.seed) for run in asked.runs])
    table.round(6).to_csv(asked.out / "orthogonality.csv", index=False)
    draw(table, asked.out / "orthogonality.png")
    for (run, network), own in table.groupby(["run", "network"], sort=False):
        half = own[own["share"] < 0.5]
        print(
            f"{run}, {network}: for |S|/N < 0.5 X is nearest to X̂ in {half['nearest_to_damaged'].min():.3f} "
            f"or more, to F(X̂) in {half['nearest_to_output'].min():.3f} or more; on clean X ‖F(X) − X‖/N = "
            f"{own['distance_per_value'].iloc[0]:.2e}"
        )


if __name__ == "__main__":
    with plainly():
        main()
