"""What the identity of a data set costs: the time that fingerprints take of a first and of a repeated run.

python -m experiments.benchmark.fingerprint --images 50000 --side 64

The images are noise, in a temporary folder with a cache of its own; a run is that of experiment=quick. Its start is
what it does before it trains.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
from hydra import compose, initialize_config_dir
from PIL import Image

from fae.cli.schema import conf_dir, register
from fae.train import train

PARTS = (
    *("fae.data.decoded.of_pixels", "fae.data.decoded.state_of", "fae.data.memo.Memo.recall"),
    *("fae.data.memo.Memo.remember", "fae.data.module.identities"),
)
"""The functions that fingerprints consist of; a call from another one of them counts once."""
START = "fae.data.module.DataModule.setup"
WORDS = (
    *("experiment=quick", "data=folder", "category=generic", "logger.mode=disabled", "pictures=2"),
    *("trainer.enable_progress_bar=false", "~callback.progress"),
)


def draw(root: Path, count: int, side: int) -> None:
    """Write normal images of noise, and a good and a defective test image."""
    rng = np.random.default_rng(0)
    for place, number in (("train/good", count), ("test/good", 1), ("test/bad", 1)):
        (root / place).mkdir(parents=True)
        for i in range(number):
            image = Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8))
            image.save(root / place / f"{i:06d}.png", compress_level=1)


def run(root: Path, name: str, side: int) -> dict[str, float]:
    """Return the seconds that a run takes, those of its start, and those of fingerprints (threads add up)."""
    spent, inside = dict.fromkeys(("run", "start", "fingerprints"), 0.0), threading.local()

    def timed(function: Callable[..., Any], what: str) -> Callable[..., Any]:
        def call(*args: Any, **keys: Any) -> Any:
            if hasattr(inside, what):
                return function(*args, **keys)
            setattr(inside, what, True)
            begun = time.perf_counter()
            try:
                return function(*args, **keys)
            finally:
                spent[what] += time.perf_counter() - begun
                delattr(inside, what)

        return call

    originals = {one: resolve_name(one) for one in (*PARTS, START)}
    for one, function in originals.items():
        _replace(one, timed(function, "start" if one == START else "fingerprints"))
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        cfg = compose("train", [*WORDS, f"data.image_size={side}", f"cache_dir={root / 'cache'}"])
    cfg.data.root, cfg.run_dir = str(root / "images"), str(root / name)
    timed(train, "run")(cfg)
    for one, function in originals.items():
        _replace(one, function)
    return spent


def _replace(name: str, function: Callable[..., Any]) -> None:
    place, _, attribute = name.rpartition(".")
    setattr(resolve_name(place), attribute, function)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--side", type=int, default=64, help="side of an image in px")
    asked = parser.parse_args(words)
    register()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        draw(root / "images", asked.images, asked.side)
        for name in ("first", "repeated"):
            spent = run(root, name, asked.side)
            print(
                f"{name} run with {asked.images} images: {spent['run']:.0f} s, its start {spent['start']:.1f} s, "
                f"fingerprints {spent['fingerprints']:.1f} s"
            )


if __name__ == "__main__":
    main()
