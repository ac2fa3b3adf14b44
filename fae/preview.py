"""`python -m fae.preview`: show on a contact sheet what the network is trained to repair."""

import os
import sys
from pathlib import Path

import torch
import wandb
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from hydra.utils import instantiate
from omegaconf import DictConfig
from PIL import Image
from torch import Tensor

from fae.cli import command as cli
from fae.cli.sweep import recorded, sweeping
from fae.data.module import DataModule
from fae.data.prepare import Raw
from fae.picture.sheet import amplitude, contact_sheet, coverage, write_sheet
from fae.run.identity import resolved
from fae.tracking.session import safe_mode, start, wandb_run
from fae.types import Batch

_IMAGES = 256  # the least number of images for the histograms


def preview(cfg: DictConfig) -> Path:
    """Corrupt training images as in the last stage of training, and write `preview.png`.

    Args:
        cfg: configuration composed from conf/train.yaml; `run_dir` names the folder, by default
            `previews/<data>-<corruption>`.

    Returns:
        the path of the written file, which is sent to W&B as well.

    Raises:
        ValueError: a value is wrong, in the configuration or in the data.
        InstantiationException: Hydra's wrapper of a ValueError from a leaf's constructor.
        OSError: a file is missing or cannot be written.
    """
    if cfg.pictures < 1:
        raise ValueError(f"pictures (={cfg.pictures}) must be at least 1, to show something")
    data: DataModule = instantiate(cfg.data, _convert_="all")
    for note in data.index.notes:
        print(f"NOTE: {note}", flush=True)
    data.setup()
    dataset, name = data.index.dataset, data.preparation.corruption.name
    folder = Path(cfg.run_dir or Path("previews") / f"{dataset.replace(':', '-')}-{name}")
    mode = safe_mode(cfg.logger.mode)
    sigma = data.preparation.noise_sigma
    title = f"{dataset}, corruption={name}" + (f", noise σ = {sigma:g}" if sigma else "")
    examples, covered, strength = _corrupted(data, cfg.pictures)
    figure = contact_sheet(examples, covered, strength, title)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "preview.png"
    write_sheet(figure, path)
    with wandb_run(folder, Path(cfg.cache_dir)):
        logger = start(
            instantiate(cfg.logger, _partial_=True, _convert_="all"),
            mode,
            folder,
            f"preview-{folder.name}",
            ["preview", dataset.split(":")[0], cfg.category.name, name, *cfg.tags],
            resolved(cfg),
        )
        logger.log_image("preview", [str(path)], caption=[title])
        for key, values in (("coverage", covered), ("amplitude", strength)):
            logger.experiment.log({key: wandb.Histogram(values.tolist())})
            logger.experiment.summary[f"{key}_median"] = float(values.median())
    print(f"{path}: median coverage {covered.median():.3g}, amplitude {strength.median():.3g}", flush=True)
    return path


def _corrupted(data: DataModule, count: int) -> tuple[Batch, Tensor, Tensor]:
    """Corrupt images as in the last stage of training; return some examples, and coverage and amplitude of all."""
    order = torch.arange(max(_IMAGES, count)) % len(data.train.image)
    kept: list[Batch] = []
    covered, strength = [], []
    for i, which in enumerate(torch.split(order, data.batch_size)):
        batch = data.training_batch(Raw(data.train.image[which], data.max_steps + i, data.train.roi_of(which)))
        if i * data.batch_size < count:
            kept.append(batch)
        covered.append(coverage(batch))
        strength.append(amplitude(batch))
    examples = Batch(*(torch.cat(parts)[:count] for parts in zip(*(one.parts for one in kept), strict=True)))
    return examples, torch.cat(covered), torch.cat(strength)


def _show(path: Path) -> None:
    """Open the picture if somebody sits in front of a screen."""
    screen = sys.platform in ("darwin", "win32") or "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    if screen and sys.stdout.isatty():
        Image.open(path).show()


def _task(cfg: DictConfig) -> None:
    hydra = HydraConfig.get()
    if hydra.mode is RunMode.MULTIRUN and cfg.run_dir is not None:
        raise ValueError(f"run_dir (={cfg.run_dir}) names one preview's folder; leave it out in a multirun")
    _show(preview(cfg))


def main() -> None:
    """Entry point of `fae-preview`."""
    with sweeping():
        cli.run(_task, "train", recorded)


if __name__ == "__main__":
    main()
