"""Time of one image: the detector of a run, and PatchCore on the same frozen network, by the size of its bank.

python -m experiments.features.latency RUN               # writes experiments/features/latency.csv and .png

Both begin with the pixels of an image of the run's size and end with map and image score, batch 1, in the run's
precision; PatchCore's distances are float32. A bank holds random rows, because its number of rows alone decides: 10 %
of the patches of so many training images. The bank is searched by a matrix product and, where `faiss-cpu` is installed,
by its IndexFlatL2. All candidates take turns.
"""

import argparse
import importlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from experiments.benchmark.timing import Work, in_turn, summary
from experiments.features.memory import PatchCore
from fae.cli.command import plainly
from fae.detector import load
from fae.machine.provenance import environment, git_commit
from fae.run.folder import finished_config
from fae.run.network import build_network, load_weights
from fae.score.rule.total import Total
from fae.score.score import Score
from fae.space.features import Features

HERE = Path(__file__).parent
IMAGES = (32, 100, 239, 669, 2000, 6000)
"""Numbers of training images; 32, 239 and 669 are those of PIPED, the tire and the magnetic tile."""
SHARE = 0.1
DETECTOR, PRODUCT, FAISS = "filter on features", "PatchCore, matrix product", "PatchCore, faiss"


def by_faiss(bank: Tensor) -> Callable[[Tensor], Tensor] | None:
    """Return a function from patches `(P, C)` to their distances `(P,)` to a bank; None without faiss."""
    try:
        faiss: Any = importlib.import_module("faiss")
    except ModuleNotFoundError:
        return None
    faiss.omp_set_num_threads(torch.get_num_threads())
    index = faiss.IndexFlatL2(bank.shape[1])
    index.add(bank.numpy())
    return lambda patches: torch.from_numpy(index.search(patches.contiguous().numpy(), 1)[0][:, 0]).clamp_min(0).sqrt()


def judge(memory: PatchCore, score: Score, half: bool, pixels: np.ndarray) -> Tensor:
    """Return the image score of one image by a memory, after its map."""
    image = torch.tensor(pixels).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            found = memory.features(image)
        maps = score.anomaly_map(score.combined(memory.nearest(found.float()), image.shape[-2:]))
        return score.image_score(maps)


def measure(run_dir: Path, images: list[int], seconds: float) -> pd.DataFrame:
    """Return a row for each candidate and number of training images."""
    cfg = finished_config(run_dir)
    detector = load(run_dir)
    network = build_network(cfg)
    load_weights(network, cfg, run_dir)
    if not isinstance(network.space, Features):
        raise SystemExit(f"{run_dir} reconstructs pixels; name a run of experiment=features")
    backbone: nn.Module = network.space.backbone
    score = Score(detector.score.residual, detector.score.image_score, detector.score.k, detector.score.n, rule=Total())
    height, width = detector.image_size
    random = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (height, width, 3), generator=random, dtype=torch.uint8).numpy()
    half = str(cfg.trainer.precision).startswith("bf16")
    work: dict[str, Work] = {f"{DETECTOR} 0": partial(detector, pixels)}
    for count in images:
        memory = PatchCore(backbone, seed=0)
        with torch.inference_mode():
            patches = memory.features(torch.zeros(1, 3, height, width))
        rows = round(SHARE * count * patches.shape[-2] * patches.shape[-1])
        memory.remember(torch.randn(rows, patches.shape[1], generator=random))
        work[f"{PRODUCT} {count}"] = partial(judge, memory, score, half, pixels)
        if (search := by_faiss(memory.bank)) is not None:
            other = PatchCore(backbone, seed=0)
            other.distances = search  # type: ignore[method-assign]
            work[f"{FAISS} {count}"] = partial(judge, other, score, half, pixels)
    times = in_turn(work, torch.device("cpu"), seconds, at_most=20)
    where = {"threads": torch.get_num_threads(), "git_commit": git_commit()} | environment(torch.device("cpu"))
    rows_found = []
    for name, found in times.items():
        candidate, count_text = name.rsplit(" ", 1)
        rows_found.append({"candidate": candidate, "images": int(count_text)} | summary(found) | where)
    return pd.DataFrame(rows_found)


def draw(found: pd.DataFrame, path: Path) -> None:
    """Draw time against the number of training images."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axis = figure.subplots()
    for candidate, style in ((PRODUCT, "-o"), (FAISS, "--s")):
        own = found[found["candidate"] == candidate].sort_values("images")
        if len(own):
            axis.plot(own["images"], own["median_ms"], style, label=candidate)
    own_ms = float(found.loc[found["candidate"] == DETECTOR, "median_ms"].iloc[0])
    axis.axhline(own_ms, color="#009e73", label=f"{DETECTOR} ({own_ms:.0f} ms)")
    axis.set(xscale="log", yscale="log", xlabel="training images", ylabel="ms for one image")
    axis.set_xticks(list(IMAGES), [str(one) for one in IMAGES])
    axis.minorticks_off()
    axis.grid(alpha=0.25)
    axis.legend()
    figure.savefig(path, dpi=110)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a finished run of experiment=features")
    parser.add_argument("--images", type=int, nargs="+", default=IMAGES, help="numbers of training images")
    parser.add_argument("--seconds", type=float, default=60, help="time after which no further round begins")
    parser.add_argument("--out", type=Path, default=HERE / "latency")
    asked = parser.parse_args(words)
    found = measure(asked.run, list(asked.images), asked.seconds)
    found.to_csv(asked.out.with_suffix(".csv"), index=False, float_format="%.5g")
    draw(found, asked.out.with_suffix(".png"))
    print(found[["candidate", "images", "median_ms", "p95_ms"]].to_string(index=False))


if __name__ == "__main__":
    with plainly():
        main()
