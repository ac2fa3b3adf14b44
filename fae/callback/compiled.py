import logging
import os
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch._inductor.runtime.cache_dir_utils import default_cache_dir

from fae.module import AnomalyAutoencoder

log = logging.getLogger(__name__)

_KERNELS = "TORCHINDUCTOR_CACHE_DIR"
_not_the_users = {default_cache_dir()}  # PyTorch sets its default when imported, and `keep_kernels_in` its folder


class Compiled(Callback):
    """Compiles the network for the training steps on a CUDA device, where the training is long enough to pay for it.

    Batch norm and ReLU become few passes over memory, and a CUDA graph launches them all at once: one graph for each
    crop size, each compiled when training comes to it. Validation and scoring run the network as it is, and on the CPU
    compiling gains nothing; what it gains and costs: experiments/benchmark. Several processes run it as it is, and so
    does a machine on which the compiler does not work.

    Args:
        least_steps: trainings with fewer steps left are not compiled.
        cache_dir: where kernels are kept for the next training.

    Raises:
        ValueError: `least_steps` is negative.
    """

    def __init__(self, least_steps: int, cache_dir: str) -> None:
        if least_steps < 0:
            raise ValueError(
                f"callback.compiled.least_steps (={least_steps}) must not be negative; ~callback.compiled leaves it out"
            )
        self.least_steps, self.cache_dir = least_steps, Path(cache_dir)
        self.used = False
        """Whether the last training ran a compiled network."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Compile, if it pays."""
        assert isinstance(pl_module, AnomalyAutoencoder)
        self.used = False
        device = trainer.strategy.root_device
        left = trainer.max_steps - trainer.global_step
        if device.type != "cuda" or left < self.least_steps or trainer.world_size > 1:
            return
        keep_kernels_in(self.cache_dir)
        if reason := why_not(device):
            log.warning(
                "the network is not compiled, and training slower, as PyTorch's compiler failed: %s. It needs Triton, "
                "a C compiler and Python's headers; ~callback.compiled does without",
                reason,
            )
            return
        # One graph a size: with sizes left open, as PyTorch has it from the second on, kernels are slower.
        pl_module.in_training = torch.compile(pl_module.model.forward, mode="reduce-overhead", dynamic=False)
        self.used = True

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Let the compiled network go, with the graphs' memory."""
        assert isinstance(pl_module, AnomalyAutoencoder)
        if pl_module.in_training is not None:
            pl_module.in_training = None
            pl_module.zero_grad()  # gradients may lie in the graphs' memory
            torch.compiler.reset()  # otherwise the runs of a sweep add up to PyTorch's limit of graphs for one function

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """As at the end of a training: a sweep goes on with the next run."""
        self.on_train_end(trainer, pl_module)


def was_compiled(trainer: lightning.Trainer) -> bool:
    """Whether the trainer's last training ran a compiled network."""
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return any(isinstance(one, Compiled) and one.used for one in callbacks)


def keep_kernels_in(folder: Path) -> None:
    """Have PyTorch's compiler write there, not beside all other programs' temporary files; a user's choice stays."""
    if (os.environ.get(_KERNELS) or default_cache_dir()) in _not_the_users:
        os.environ[_KERNELS] = str(folder.absolute())
        _not_the_users.add(os.environ[_KERNELS])


def why_not(device: torch.device) -> str | None:
    """What keeps PyTorch's compiler from working on the device, by its own words; None if it works."""
    try:
        torch.compile(lambda numbers: torch.relu(numbers) + 1)(torch.ones(1, device=device))
    except Exception as error:  # it has no common class for what may be missing
        return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return None
