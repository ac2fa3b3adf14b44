"""Proposition 2 and Theorem 2 by simulation: how often a pair of random fields violates the premise of Theorem 1.

python -m experiments.theory.fields        # writes experiments/theory/fields.csv and .png
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from scipy.stats import binomtest
from tqdm import tqdm

from experiments.theory.markov import RandomField, bound, gaps, square
from fae.cli.command import plainly

HERE = Path(__file__).parent
SIDES = (8, 16, 32, 64, 128, 256)
SHARES = (0.03, 0.05, 0.1, 0.2, 0.3, 0.4, 0.45, 0.48, 0.5, 0.52, 0.55, 0.6, 0.65)
SPREADS = (0.4, 1.0, 5.0, None)


def simulate(
    sides: tuple[int, ...], shares: tuple[float, ...], pairs: int, length_px: float, seed: int
) -> pd.DataFrame:
    """A row for each field, side and share: rate of violations with its 95 % interval, and the gap of Proposition 2."""
    rows = []
    for number, spread in enumerate(SPREADS):
        for side in tqdm(sides):
            field = RandomField(side, length_px, spread)
            name = f"{'unbounded' if spread is None else '[0, 1]'}, σ² = {field.variance:.3f}"
            # Small sides cannot tell all shares apart.
            by_size = {int(region.sum()): region for region in (square(side, share) for share in shares)}
            regions = torch.stack(list(by_size.values()))
            generator = torch.Generator().manual_seed(1000 * seed + 100 * number + side)  # other pairs for each field
            found = gaps(field, regions, pairs, generator, batch=max(1, 2**21 // side**2))
            size = side * side
            for region, gap in zip(regions, found, strict=True):
                inside = int(region.sum())
                violating = int((gap > 0).sum())
                interval = binomtest(violating, pairs).proportion_ci(method="exact")
                rows.append(
                    {
                        "field": name,
                        "variance": field.variance,
                        "side": side,
                        "share": inside / size,
                        "bound": bound(field.variance),
                        "inside_bound": inside / size < bound(field.variance),
                        "pairs": pairs,
                        "violations": violating / pairs,
                        "low": interval.low,
                        "high": interval.high,
                        "gap": float(gap.mean()) / size,
                        "gap_error": float(gap.std()) / pairs**0.5 / size,
                        "gap_expected": (2 * inside - size) * 2 * field.variance / size,
                    }
                )
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, path: Path) -> None:
    """The rate against |S| / N, a panel a field and a line a size; and the gap against Proposition 2."""
    names = list(table["field"].unique())
    figure = Figure(figsize=(4.1 * len(names), 4.3), layout="constrained")
    sides = sorted(table["side"].unique())
    shades = [(0.75 - 0.75 * i / max(1, len(sides) - 1),) * 2 + (0.85,) for i in range(len(sides))]
    for axis, name in zip(figure.subplots(1, len(names), sharey=True, squeeze=False)[0], names, strict=True):
        own = table[table["field"] == name]
        limit = float(own["bound"].iloc[0])
        axis.axvspan(0, limit, color="#d5eed5", label="inside the bound of Theorem 2")
        axis.axvline(0.5, color="red", linestyle=":", label="|S| = |S̄|")
        for side, shade in zip(sides, shades, strict=True):
            line = own[own["side"] == side].sort_values("share")
            axis.errorbar(
                *(line["share"], line["violations"]),
                yerr=np.abs(line[["low", "high"]].sub(line["violations"], axis=0).to_numpy().T),
                **{"color": shade, "marker": ".", "linewidth": 1.2, "label": f"{side}×{side}"},
            )
        axis.set_title(f"{name}\nbound: |S|/N < {limit:.3f}", fontsize=10)
        axis.set_xlim(0, 0.7)
        axis.set_xlabel("|S| / N")
        axis.grid(alpha=0.25)
    figure.axes[0].set_ylabel("pairs that violate the premise")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    figure.savefig(path, dpi=100)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--sides", type=int, nargs="+", default=SIDES)
    parser.add_argument("--length", type=float, default=4.0, help="correlation length in pixels")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    asked.out.mkdir(parents=True, exist_ok=True)
    table = simulate(tuple(asked.sides), SHARES, asked.pairs, asked.length, asked.seed)
    table.round(6).to_csv(asked.out / "fields.csv", index=False)
    draw(table, asked.out / "fields.png")
    off = ((table["gap"] - table["gap_expected"]) / table["gap_error"]).abs()
    print(f"Proposition 2: largest deviation {off.max():.1f} standard errors, of {len(off)} estimates")
    print(f"               more than 2 of them off in {(off > 2).mean():.1%} (5 % by chance)")
    for name, own in table.groupby("field", sort=False):
        largest = own[own["side"] == own["side"].max()]
        inside, below = largest[largest["inside_bound"]], largest[largest["share"] < 0.47]
        print(
            f"{name}: at {largest['side'].iloc[0]}² inside the bound at most {inside['violations'].max():.4f}, "
            f"below |S|/N = 0.47 at most {below['violations'].max():.4f}, "
            f"above 0.53 at least {largest[largest['share'] > 0.53]['violations'].min():.4f}"
        )


if __name__ == "__main__":
    with plainly():
        main()
