"""What the benchmark measures: network, objective, data and precision of a configuration, on one device."""

from collections.abc import Iterator
from functools import cached_property
from itertools import cycle
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from fae.cli.schema import register
from fae.data.module import DataModule
from fae.data.prepare import Raw
from fae.data.serve import resident
from fae.machine.precision import best_precision, on_gpu
from fae.module import AnomalyAutoencoder
from fae.run.build import build_module
from fae.score.score import Score
from fae.types import Batch

PRECISIONS = ("32-true", "bf16-mixed")


class Subject:
    """The parts of a run, each by itself; crops have the size of the last stage.

    Args:
        cfg: a composed configuration of `fae.train`; the precision "auto" is replaced by the one that it stands for.

    Raises:
        ValueError: the precision is none of `PRECISIONS`.
    """

    def __init__(self, cfg: DictConfig) -> None:
        self.cfg = cfg
        self.device = torch.device("cuda" if on_gpu(cfg.trainer.accelerator) else "cpu")
        if cfg.trainer.precision == "auto":
            cfg.trainer.precision = best_precision(cfg.trainer.accelerator)
        if cfg.trainer.precision not in PRECISIONS:
            raise ValueError(
                f"trainer.precision (={cfg.trainer.precision}) must be one of {', '.join(PRECISIONS)} here"
            )
        self.half = cfg.trainer.precision == "bf16-mixed"
        self.dtype = torch.bfloat16 if self.half else torch.float32
        self.score: Score = instantiate(cfg.score, _convert_="all")

    @cached_property
    def data(self) -> DataModule:
        """The decoded data, with the last crop stage alone."""
        data: DataModule = instantiate(self.cfg.data, _convert_="all")
        data.setup()
        data.stages = data.stages[-1:]
        return data

    def module(self) -> AnomalyAutoencoder:
        """A new network with its objective on the device; its random weights depend on the seed alone."""
        torch.manual_seed(self.cfg.seed)
        return build_module(self.cfg, self.score).to(self.device)

    def autocast(self) -> torch.autocast:
        """The context in which operations have the precision of the run."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.half)

    @cached_property
    def _image(self) -> Tensor:
        return resident(self.data.train.image, self.device)

    def raw(self) -> Iterator[Raw]:
        """Bytes of images without end, on the device, from where training would take them."""
        image, size = self._image, self.data.batch_size
        for step in cycle(range(self.data.max_steps)):
            which = torch.arange(step * size, (step + 1) * size) % len(image)
            yield Raw(image[which.to(image.device, non_blocking=True)].to(self.device), step)

    def batch(self) -> Batch:
        """The batch that training would see at its first step."""
        return self.data.training_batch(next(self.raw()))

    def images(self, batch: int, side: int) -> Tensor:
        """Noise, `(batch, 3, side, side)` uint8 on the host; no time depends on what images show."""
        random = torch.Generator().manual_seed(0)
        return torch.randint(256, (batch, 3, side, side), generator=random, dtype=torch.uint8)


def subject_of(plain: dict[str, Any]) -> Subject:
    """Build the subject in a fresh process from a whole configuration as plain values."""
    register()
    return Subject(OmegaConf.create(plain))
