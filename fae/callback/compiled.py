import logging
import os
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from fae.module import FilteringAutoencoder

log = logging.getLogger(__name__)


class Compiled(Callback):
    """Compiles the network for the training steps on a CUDA device, where the training is long enough to pay for it.

    Batch norm and ReLU become few passes over memory, and a CUDA graph launches them all at once: one graph for each
    crop size, each compiled when training comes to it. Validation and scoring run the network as it is, and on the CPU
    compiling gains nothing; what it gains and costs: experiments/benchmark. Several processes run it as it is.

    Args:
        least_steps: shorter trainings are not compiled.
        cache_dir: where kernels are kept for the next training.
        compile: makes a function faster.
    """

    def __init__(
        self,
        least_steps: int,
        cache_dir: str,
        compile: Callable[..., Callable[..., Any]] = torch.compile,
    ) -> None:
        self.least_steps, self.cache_dir, self.compile = least_steps, Path(cache_dir), compile

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Compile, if it pays."""
        assert isinstance(pl_module, FilteringAutoencoder)
        if (
            trainer.strategy.root_device.type != "cuda"
            or trainer.max_steps < self.least_steps
            or trainer.world_size > 1
        ):
            return
        if missing := _missing():
            log.warning("the network is not compiled, and training slower, for want of %s; install it", missing)
            return
        keep_kernels_in(self.cache_dir)
        # One graph a size: with sizes left open, as PyTorch has it from the second on, kernels are slower.
        pl_module.in_training = self.compile(pl_module.model.forward, mode="reduce-overhead", dynamic=False)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Let the compiled network go."""
        assert isinstance(pl_module, FilteringAutoencoder)
        pl_module.in_training = None


def keep_kernels_in(folder: Path) -> None:
    """Have PyTorch's compiler write there, and not beside all other programs' temporary files."""
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder.absolute())  # set to its own choice when it is imported


def _missing() -> str | None:
    """What PyTorch's compiler needs on a GPU, and is not there."""
    if find_spec("triton") is None:
        return "Triton (pip install triton)"
    if not os.environ.get("CC") and not any(map(shutil.which, ("gcc", "clang"))):
        return "a C compiler (gcc or clang)"
    return None
