"""How many twins of training images the perceptual hash finds, and how many images it takes for twins wrongly.

python -m experiments.leakage.finder $TILE --others $PIPED/PA_* $SCREW $TIRE $ROAD --out experiments/leakage/finder.csv

On the magnetic tile a good test image has a twin if training shows its part; random splits are those of
experiments.leakage.tables. On the other sets no image is known to have a twin.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.leakage.tables import parts, split
from fae.cli.command import plainly
from fae.data.index import GOOD, layout
from fae.data.twins import perceptual_hash, twins
from fae.image import read_image

SHARES = (0.1, 0.15, 0.2)


def hashes(paths: list[Path]) -> list[bytes]:
    """Return the hash of each image."""
    return [perceptual_hash(read_image(path)) for path in paths]


def of_tile(root: Path, seeds: list[int]) -> list[dict[str, object]]:
    """Return a row for each split of the tile and each share of bits."""
    index = layout(root, root.name)
    good = [sample for sample in index.all if sample.defect_type == GOOD]
    paths = [sample.path for sample in good]
    group, known = parts(paths), dict(zip(paths, hashes(paths), strict=True))
    by_part = {sample.path for sample in index.test if not sample.label}
    rows = []
    for name, tests in (("by part", by_part), *((f"random {seed}", split(good, len(by_part), seed)) for seed in seeds)):
        train = [path for path in paths if path not in tests]
        chosen = sorted(tests)
        real = np.isin([group[path] for path in chosen], [group[path] for path in train])
        for share in SHARES:
            found = twins([known[path] for path in chosen], [known[path] for path in train], share)
            rows.append(_row(f"tile, {name}", share, real, found))
    return rows


def of_other(root: Path) -> list[dict[str, object]]:
    """Return a row for each share of bits; every twin that is found counts as wrong."""
    index = layout(root, root.name)
    test = hashes([sample.path for sample in index.test if not sample.label])
    train = hashes([sample.path for sample in index.train])
    none = np.zeros(len(test), np.bool_)
    return [_row(root.name, share, none, twins(test, train, share)) for share in SHARES]


def _row(name: str, share: float, real: np.ndarray, found: np.ndarray) -> dict[str, object]:
    return {
        "set": name,
        "share": share,
        "good_test_images": len(real),
        "with_twin": int(real.sum()),
        "found": int((found & real).sum()),
        "wrong": int((found & ~real).sum()),
    }


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tile", type=Path, help="folder of the magnetic tile, split by part")
    parser.add_argument("--others", type=Path, nargs="*", default=[], help="folders in the MVTec AD layout")
    parser.add_argument("--seed", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "finder.csv")
    asked = parser.parse_args(words)
    rows = of_tile(asked.tile, asked.seed)
    for root in asked.others:
        rows += of_other(root)
    table = pd.DataFrame(rows)
    table.to_csv(asked.out, index=False)
    print(table.to_string(index=False))


if __name__ == "__main__":
    with plainly():
        main()
