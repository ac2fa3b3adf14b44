"""Growth of time and peak memory with one size at a time; each point is measured in a process of its own."""

import copy
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from experiments.benchmark.fitting import gib
from experiments.benchmark.inference import reconstruct
from experiments.benchmark.memory import highest_anonymous, peak
from experiments.benchmark.need import PROCESS, Need
from experiments.benchmark.process import in_process
from experiments.benchmark.subject import subject_of
from experiments.benchmark.timing import AT_LEAST, timed
from fae.cli.schema import register
from fae.model.folded import fold_batch_norm
from fae.run.identity import resolved
from fae.train import train

AXES: dict[str, tuple[str, tuple[int, ...]]] = {
    "training, side of the crop": ("side", (256, 384, 512, 768, 1024)),
    "training, batch": ("batch", (1, 2, 4, 8, 16)),
    "training, width": ("width", (8, 16, 32, 64)),
    "inference, side of the image": ("side", (256, 512, 1024, 1536, 2048)),
}
"""By name of an axis: the size that varies, and its values."""


def scale(
    cfg: DictConfig, room: int, axes: Mapping[str, tuple[str, tuple[int, ...]]] = AXES, side: int = 256
) -> dict[str, list[dict[str, Any]]]:
    """Measure a training step and a forward pass along each axis; sizes that do not vary are two images and `side`.

    Args:
        cfg: a composed configuration of `fae.train`; it gives the width.
        room: bytes of memory that a point may use.
        axes: sizes that vary and their values, as `AXES`.
        side: height and width of the images in pixels where they do not vary.

    Returns:
        by axis a list of points: the value, the median time of a step in seconds and its peak memory in bytes; both
        are None where the memory does not suffice.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for axis, (key, values) in axes.items():
        found[axis] = []
        for value in tqdm(values, desc=axis):
            setting = {"side": side, "batch": 2, "width": int(cfg.model.width)} | {key: value}
            point = _measured(f"{axis} {value}", resolved(cfg), axis.startswith("training"), setting, room)
            found[axis].append({"value": value} | point)
    return found


def _measured(
    what: str, plain: dict[str, Any], training: bool, setting: dict[str, int], room: int
) -> dict[str, float | None]:
    plain["model"]["width"] = setting["width"]
    need, size = Need(subject_of(plain)), (setting["side"], setting["side"])
    wanted = PROCESS + (need.step(setting["batch"], size) if training else need.forward(1, size))
    if wanted > room:
        tqdm.write(f"{what} is left out: it needs about {gib(wanted)} of memory, and {gib(room)} are available.")
        return {"seconds": None, "bytes": None}
    try:
        point: dict[str, float | None] = in_process(_point, plain, training, setting)
    except BrokenProcessPool:
        tqdm.write(f"{what} is left out: its process was killed, most likely because memory ran out.")
        return {"seconds": None, "bytes": None}
    return point


def exponent(values: Sequence[float], measured: Sequence[float]) -> float:
    """The exponent of the power law that fits the upper half of the points best; NaN for a single point."""
    if len(values) < 2:
        return math.nan
    half = min(len(values) // 2, len(values) - 2)
    return float(np.polyfit(np.log(values[half:]), np.log(measured[half:]), 1)[0])


def _point(plain: dict[str, Any], training: bool, setting: dict[str, int]) -> dict[str, float]:
    subject = subject_of(plain)
    module = subject.module().train()
    if not training:
        fold_batch_norm(module.network.model)
    image = subject.images(setting["batch"] if training else 1, setting["side"]).to(subject.device).float() / 255
    image = image.contiguous(memory_format=torch.channels_last)
    mask = torch.rand(len(image), 1, *image.shape[-2:], device=subject.device)
    optimizer = module.optimizer(module.parameters())

    def step() -> None:
        with subject.autocast():
            loss = module.objective(module(image), image, image, mask).total
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    work = step if training else lambda: reconstruct(subject, module, image)
    with peak(subject.device) as highest:
        work()
    times = [timed(work, subject.device) for _ in range(AT_LEAST)]
    return {"seconds": float(np.median(times)), "bytes": highest[0]}


def data_scale(cfg: DictConfig, folder: Path, counts: Sequence[int], steps: int) -> list[dict[str, float]]:
    """Measure the start of a run and its memory with more and more training images of 128×128 pixels.

    Args:
        cfg: a composed configuration of `fae.train`; it gives network, objective and damage.
        folder: folder for generated images and runs, which are removed at the end.
        counts: numbers of training images.
        steps: number of steps of each run, which validates once.

    Returns:
        a list with an entry for each count: seconds until the first batch of a first run, which decodes the images, and
        of a later run, and the highest anonymous memory in bytes of a whole run with validation and scoring.
    """
    found = []
    for count in tqdm(counts, desc="data set"):
        root = folder / f".images-{count}"
        try:
            _draw(root / "train" / "good", count)
            plain = resolved(_on(cfg, root, steps))
            first, later = (in_process(_first_batch, plain) for _ in "ab")
            memory = in_process(_whole_run, plain)
            found.append({"value": count, "first_run_s": first, "later_run_s": later, "anonymous_bytes": memory})
        finally:
            shutil.rmtree(root, ignore_errors=True)
    return found


def _on(cfg: DictConfig, root: Path, steps: int) -> DictConfig:
    """The configuration for images in another folder, which also gets everything that the run writes."""
    cfg = copy.deepcopy(cfg)
    OmegaConf.set_struct(cfg, False)
    cfg.run_dir, cfg.cache_dir, cfg.pictures = str(root / "run"), str(root / "cache"), 0
    cfg.data.source = {"_target_": "fae.data.folder.folder", "_partial_": True}
    cfg.data.root, cfg.data.image_size = str(root), 128
    cfg.trainer.max_steps = cfg.trainer.val_check_interval = steps
    cfg.trainer.enable_progress_bar = False
    cfg.callback.pop("progress", None)
    return cfg


def _draw(folder: Path, count: int) -> None:
    """Write PNG files of smooth noise with grain."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for i in range(count):
        coarse = random.integers(60, 200, (16, 16, 3), dtype=np.uint8)
        image = cv2.resize(coarse, (128, 128), interpolation=cv2.INTER_CUBIC)
        image += random.integers(0, 8, image.shape, dtype=np.uint8)
        cv2.imwrite(str(folder / f"{i:06d}.png"), image)


def _first_batch(plain: dict[str, Any]) -> float:
    """Seconds from the beginning of indexing until the network could take a batch."""
    subject = subject_of(plain)
    start = time.perf_counter()
    subject.batch()
    return time.perf_counter() - start


def _whole_run(plain: dict[str, Any]) -> int:
    register()
    with highest_anonymous() as highest:
        train(OmegaConf.create(plain))
    return highest[0]
