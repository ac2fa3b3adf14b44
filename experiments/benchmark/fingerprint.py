"""What the identity of a data set costs: the time that fingerprints take of a first and of a repeated start.

python -m experiments.benchmark.fingerprint --images 50000 --side 64

The images are noise, in a temporary folder with a cache of its own. A start is what a run does before it trains.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
from PIL import Image

from fae.data.folder import folder
from fae.data.module import DataModule

PARTS = (
    *("fae.data.decoded.of_pixels", "fae.data.decoded.state_of", "fae.data.memo.Memo.recall"),
    *("fae.data.memo.Memo.remember", "fae.data.module.identity"),
)
"""The functions that fingerprints consist of; none calls another one."""


def draw(root: Path, count: int, side: int) -> None:
    """Write normal images of noise, and a good and a defective test image."""
    rng = np.random.default_rng(0)
    for place, number in (("train/good", count), ("test/good", 1), ("test/bad", 1)):
        (root / place).mkdir(parents=True)
        for i in range(number):
            image = Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8))
            image.save(root / place / f"{i:06d}.png", compress_level=1)


def start(root: Path, side: int) -> tuple[float, float]:
    """Return the seconds that a start takes, and those of them that fingerprints take (threads add up)."""
    spent = [0.0]

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **keys: Any) -> Any:
            begun = time.perf_counter()
            try:
                return function(*args, **keys)
            finally:
                spent[0] += time.perf_counter() - begun

        return call

    originals = {name: resolve_name(name) for name in PARTS}
    for name, function in originals.items():
        _replace(name, timed(function))
    data = DataModule(folder, str(root / "images"), "generic", None, 8, 100, side, cache_dir=str(root / "cache"))
    begun = time.perf_counter()
    data.setup()
    whole = time.perf_counter() - begun
    for name, function in originals.items():
        _replace(name, function)
    return whole, spent[0]


def _replace(name: str, function: Callable[..., Any]) -> None:
    place, _, attribute = name.rpartition(".")
    setattr(resolve_name(place), attribute, function)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--side", type=int, default=64, help="side of an image in px")
    asked = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        draw(root / "images", asked.images, asked.side)
        for name in ("first", "repeated"):
            whole, spent = start(root, asked.side)
            print(f"{name} start with {asked.images} images: {whole:.1f} s, of which fingerprints take {spent:.1f} s")


if __name__ == "__main__":
    main()
