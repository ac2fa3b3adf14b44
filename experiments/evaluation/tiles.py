"""Compares tiled inference with inference on the whole image, by trained weights in float32: difference and memory.

python -m experiments.evaluation.tiles RUN IMAGE      # prints a Markdown table; the image keeps its own size
"""

import argparse
import multiprocessing
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from omegaconf import OmegaConf

import fae
from fae.image import read_image

WAYS: dict[str, dict[str, int]] = {
    "whole image": {},
    "tile=256": {"tile": 256},
    "tile=128": {"tile": 128},
    "tile=256 overlap=0": {"tile": 256, "overlap": 0},
    "tile=256 overlap=64": {"tile": 256, "overlap": 64},
    "tile=256 overlap=128": {"tile": 256, "overlap": 128},
    "tile=256 overlap=256": {"tile": 256, "overlap": 256},
}


def reconstruct(run: str, image: Path, way: dict[str, int], answer: "multiprocessing.Queue[tuple]") -> None:
    detector = fae.load(run, size="native", device="cpu", **way)
    batch = torch.tensor(read_image(image)).permute(2, 0, 1)[None].float() / 255
    detector.reconstruct(batch[..., :256, :256])  # loads what is loaded once, which is no cost of the image
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before, start = _peak(), time.perf_counter()
    found = detector.reconstruct(batch)
    seconds = time.perf_counter() - start
    answer.put((found.numpy(), _peak() - before, seconds))


def _peak() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="a finished run of fae.train")
    parser.add_argument("image", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compare(_in_float32(Path(asked.run), Path(folder)), asked.image)


def _in_float32(run: Path, copy: Path) -> str:
    """A copy of a run that computes in float32, as the rounding of bfloat16 would hide the differences."""
    for name in ("config.yaml", "origin.json", "metrics.json", "detector.pt", "best.ckpt"):
        shutil.copy(run / name, copy / name)
    config = OmegaConf.load(copy / "config.yaml")
    config.trainer.precision = "32-true"
    OmegaConf.save(config, copy / "config.yaml")
    return str(copy)


def compare(run: str, image: Path) -> None:
    context = multiprocessing.get_context("spawn")
    print("| | largest difference of an intensity | mean | extra MiB | s |\n|---|---|---|---|---|")
    whole = np.zeros(0)
    for name, way in WAYS.items():
        answer = context.Queue()
        process = context.Process(target=reconstruct, args=(run, image, way, answer))
        process.start()
        found, mib, seconds = answer.get()
        process.join()
        whole = found if name == "whole image" else whole
        off = np.abs(found - whole)
        print(f"| {name} | {off.max():.1e} | {off.mean():.1e} | {mib:.0f} | {seconds:.2f} |", flush=True)


if __name__ == "__main__":
    main()
