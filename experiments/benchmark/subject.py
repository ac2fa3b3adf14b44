"""What is measured: network, objective, data and precision of a configuration, on one device."""

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
from fae.machine.precision import best_precision, on_gpu
from fae.module import AnomalyAutoencoder
from fae.run.build import build_module
from fae.score.score import Score
from fae.types import Batch

PRECISIONS = ("32-true", "bf16-mixed")


class Subject:
    """The parts of a run, each by itself; crops are those of the last stage.

    Args:
        cfg: as of fae.train.

    Raises:
        ValueError: a precision whose floor is not known.
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
        """Decoded, with the last crop stage alone."""
        data: DataModule = instantiate(self.cfg.data, _convert_="all")
        data.setup()
        data.stages = data.stages[-1:]
        return data

    def module(self) -> AnomalyAutoencoder:
        """A new network on the device, with its objective."""
        torch.manual_seed(self.cfg.seed)
        return build_module(self.cfg, self.score).to(self.device)

    def autocast(self) -> torch.autocast:
        """The precision of the run."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.half)

    @cached_property
    def _image(self) -> Tensor:
        return self.data.resident(self.device)

    def raw(self) -> Iterator[Raw]:
        """Bytes without end, from where training would have them, on the device."""
        image, size = self._image, self.data.batch_size
        for step in cycle(range(self.data.max_steps)):
            which = torch.arange(step * size, (step + 1) * size) % len(image)
            yield Raw(image[which.to(image.device, non_blocking=True)].to(self.device), step)

    def batch(self) -> Batch:
        """The batch that training would see at its first step."""
        return self.data.training_batch(next(self.raw()))

    def images(self, batch: int, side: int) -> Tensor:
        """Noise, `(batch, 3, side, side)` uint8 on the host: what is in the images changes no time."""
        random = torch.Generator().manual_seed(0)
        return torch.randint(256, (batch, 3, side, side), generator=random, dtype=torch.uint8)


def subject_of(plain: dict[str, Any]) -> Subject:
    """That of a whole configuration as plain values, in a fresh process."""
    register()
    return Subject(OmegaConf.create(plain))
