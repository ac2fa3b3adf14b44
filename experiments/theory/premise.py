"""Footnote 7 on real images: how many pairs violate the premise of Theorem 1, inside its bound and beyond it.

python -m experiments.theory.premise $PIPED/PA_* $MVTEC/screw --pairs 500        # writes premise.csv beside this file
"""

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from experiments.theory.images import normal_images
from experiments.theory.markov import bound
from experiments.theory.violation import difference, smallest_violating_width, variance, worst_share
from fae.cli.command import plainly

HERE = Path(__file__).parent


def row(root: Path, side: int | None, most: int, seed: int) -> dict[str, object]:
    """Every square of every place, for all pairs or `most` of them."""
    image = normal_images(root, side).float() / 255
    height, width = image.shape[-2:]
    sigma_squared = variance(image)
    limit = bound(sigma_squared)
    pairs = list(combinations(range(len(image)), 2))
    if len(pairs) > most:
        pairs = [pairs[i] for i in np.random.default_rng(seed).choice(len(pairs), most, replace=False)]
    allowed = max(1, int((limit * height * width) ** 0.5))
    worst, smallest = [], []
    for i, j in tqdm(pairs, desc=root.name):
        squared = difference(image[i], image[j])
        worst.append(worst_share(squared, allowed))
        violating = smallest_violating_width(squared)
        smallest.append(1.0 if violating is None else violating**2 / (height * width))
    return {
        "set": root.name,
        "images": len(image),
        "side": height,
        "pairs": len(pairs),
        "variance": round(sigma_squared, 5),
        "bound": round(limit, 5),
        "width_at_bound": allowed,
        "violating_pairs": int((np.array(worst) > 0.5).sum()),
        "largest_share_of_difference": round(max(worst), 4),
        "smallest_violating_square": round(min(smallest), 4),
        "its_median": round(float(np.median(smallest)), 4),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("roots", type=Path, nargs="+", help="folders in the MVTec AD layout")
    parser.add_argument("--side", type=int, help="px; default: the images' own")
    parser.add_argument("--pairs", type=int, default=2000, help="at most; more are drawn from")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE / "premise.csv")
    asked = parser.parse_args(arguments)
    if asked.pairs < 1:
        raise ValueError(f"--pairs (={asked.pairs}) must be at least 1")
    table = pd.DataFrame([row(root, asked.side, asked.pairs, asked.seed) for root in asked.roots])
    table.to_csv(asked.out, index=False)
    print(table.to_string(index=False))


if __name__ == "__main__":
    with plainly():
        main()
