"""Proposition 1: where the damaged region may lie (fig. 6), and where its conclusion holds.

python -m experiments.theory.cases        # writes experiments/theory/cases.png; seconds
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from experiments.theory.projection import condition, nearer, projection

HERE = Path(__file__).parent
OUTSIDE = {
    r"premise just met: $\|x_{\bar{S}} - y_{\bar{S}}\| = \|x_S - y_S\|$": 1.0,
    r"premise fails: $\|x_{\bar{S}} - y_{\bar{S}}\| = 0.5\;\|x_S - y_S\|$": 0.5,
}
COLOURS = ("#9ecae1", "#3182bd", "#dddddd")  # case 1, case 2, neither
CASES = (
    "case 1: p between $x_S$ and $y_S$",
    "case 2: $x_S$ between p and $y_S$",
    "p beyond $y_S$: condition (6) fails",
)


def plane(points: int) -> torch.Tensor:
    """x̂_S on a grid of the plane through x_S = (0, 0) and y_S = (1, 0)."""
    across, along = np.meshgrid(np.linspace(-1.5, 1.5, points), np.linspace(-1, 2.2, points), indexing="ij")
    return torch.tensor(np.stack([along, across], axis=-1))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE / "cases.png")
    parser.add_argument("--points", type=int, default=801, help="of the grid, along each side")
    asked = parser.parse_args(arguments)
    damaged = plane(asked.points)
    clean, other = torch.zeros(2).double(), torch.tensor([1.0, 0.0]).double()
    allowed = condition(damaged, clean, other)
    behind = projection(damaged, clean, other)[..., 0] < 0
    kind = torch.where(allowed, behind.long(), 2)
    figure = Figure(figsize=(10, 5.2), layout="constrained")
    for axis, (title, outside) in zip(figure.subplots(1, 2, sharey=True), OUTSIDE.items(), strict=True):
        whole = torch.cat([damaged, torch.zeros(*damaged.shape[:2], 1).double()], dim=-1)
        x, y = torch.zeros(3).double(), torch.tensor([1.0, 0.0, outside]).double()
        holds = nearer(whole, x, y)
        extent = (-1, 2.2, -1.5, 1.5)
        axis.imshow(
            kind.numpy(), extent=extent, origin="lower", cmap=ListedColormap(COLOURS), vmin=0, vmax=2, aspect="equal"
        )
        # The conclusion fails in the hatched part.
        axis.contourf(holds.double().numpy(), levels=[-1, 0.5], extent=extent, colors="none", hatches=["//"])
        axis.plot([-1, 2.2], [0, 0], color="black", linewidth=0.8)
        for place, name in ((0, "x_S"), (1, "y_S")):
            axis.plot(place, 0, "o", color="black")
            axis.annotate(f"${name}$", (place, 0), textcoords="offset points", xytext=(5, 6), fontsize=13)
        wrong = float((allowed & ~holds).double().mean() / allowed.double().mean())
        axis.set_title(f"{title}\n{wrong:.1%} of the allowed region contradicts the conclusion", fontsize=10)
        axis.set_xlabel(r"$\hat{x}_S$, along the line through $x_S$ and $y_S$")
        print(f"‖x_S̄ − y_S̄‖ = {outside} ‖x_S − y_S‖: {wrong:.4f} of the allowed points contradict the conclusion")
    axis.set_xlim(-1, 2.2)
    figure.axes[0].set_ylabel("across that line")
    keys = [Patch(facecolor=colour, label=name) for colour, name in zip(COLOURS, CASES, strict=True)]
    keys.append(Patch(facecolor="white", edgecolor="black", hatch="//", label=r"y is nearer to $\hat{x}$ than x"))
    figure.legend(handles=keys, loc="outside lower center", ncols=2)
    figure.savefig(asked.out, dpi=110)


if __name__ == "__main__":
    main()
