"""Two tables of the magnetic tile for data=table: the split by part, and a random split of the same good images.

python -m experiments.leakage.tables $TILE --out multirun/leakage

`by_part.csv` is the split of the folders; `random-SEED.csv` draws as many good test images at random. Frames whose
numbers lie within 400 of each other show one part, which is the column `group`. Defective images stay in the test.
"""

import argparse
import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fae.cli.command import plainly
from fae.data.index import GOOD, Sample, layout
from fae.machine.atomic import whole

_APART = 400
"""Frames of one part have numbers that differ by less from the next."""


def frame(path: Path) -> int:
    """Return the number of a frame: exp3_num_45042.png has 45042.

    Raises:
        ValueError: the name has no number.
    """
    match = re.search(r"num_(\d+)", path.stem)
    if match is None:
        raise ValueError(f"{path} has no frame number num_<number>; name the folder of the magnetic tile")
    return int(match[1])


def parts(paths: Sequence[Path]) -> dict[Path, str]:
    """Return the part of each frame; the number of its first frame names it."""
    found, last, name = {}, None, 0
    for path in sorted(paths, key=frame):
        number = frame(path)
        if last is None or number - last > _APART:
            name = number
        found[path], last = str(name), number
    return found


def split(samples: Sequence[Sample], tests: int, seed: int) -> set[Path]:
    """Choose the good images of the test at random."""
    order = np.random.default_rng(seed).permutation(len(samples))
    return {samples[i].path for i in order[:tests]}


def write(path: Path, samples: Sequence[Sample], tests: set[Path], group: dict[Path, str]) -> None:
    """Write one table; paths are absolute."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "split", "label", "mask", "group"])
        for sample in samples:
            side = "test" if sample.label or sample.path in tests else "train"
            mask = ";".join(str(one.resolve()) for one in sample.mask_files)
            writer.writerow([sample.path.resolve(), side, sample.defect_type, mask, group[sample.path]])


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="folder of the magnetic tile, split by part")
    parser.add_argument("--out", type=Path, default=Path("multirun/leakage"))
    parser.add_argument("--seed", type=int, nargs="+", default=[0])
    asked = parser.parse_args(words)
    index = layout(asked.root, "tile")
    group = parts([sample.path for sample in index.all])
    good = [sample for sample in index.all if sample.defect_type == GOOD]
    by_part = {sample.path for sample in index.test if not sample.label}
    write(asked.out / "by_part.csv", index.all, by_part, group)
    for seed in asked.seed:
        tests = split(good, len(by_part), seed)
        write(asked.out / f"random-{seed}.csv", index.all, tests, group)
        learned = {group[sample.path] for sample in good if sample.path not in tests}
        known = sum(group[path] in learned for path in tests)
        print(f"random-{seed}.csv: {known} of {len(tests)} good test images show a part of the training")


if __name__ == "__main__":
    with plainly():
        main()
