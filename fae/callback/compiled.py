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
_not_the_users = {default_cache_dir()}  # folders that PyTorch's import and `keep_kernels_in` have set


class Compiled(Callback):
    """Compiles the network for the training steps on a CUDA device, if the training is long enough to pay for it.

    Batch norm and ReLU become few passes over memory, and a CUDA graph launches all passes at once. Each crop size has
    its own graph, which is compiled when training reaches that size. The network stays uncompiled in validation and
    scoring, in trainings with several processes, on machines where the compiler does not work, and on the CPU, where
    compiling gains nothing. experiments/benchmark measures gain and cost.

    Args:
        least_steps: smallest number of remaining steps for which a training is compiled, >= 0.
        cache_dir: folder in which kernels are kept for later trainings.

    Raises:
        ValueError: `least_steps` is negative.
    """

    def __init__(self, least_steps: int, cache_dir: str) -> None:
        if least_steps < 0:
            raise ValueError(
                f"callback.compiled.least_steps (={least_steps}) must not be negative; ~callback.compiled turns it off"
            )
        self.least_steps, self.cache_dir = least_steps, Path(cache_dir)
        self.used = False
        """Whether the last training ran a compiled network."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Compile the network if it pays."""
        assert isinstance(pl_module, AnomalyAutoencoder)
        self.used = False
        device = trainer.strategy.root_device
        left = trainer.max_steps - trainer.global_step
        if device.type != "cuda" or left < self.least_steps or trainer.world_size > 1:
            return
        keep_kernels_in(self.cache_dir)
        if reason := why_not(device):
            log.warning(
                "the network is not compiled and training is slower, because PyTorch's compiler failed: %s. The "
                "compiler needs Triton, a C compiler and Python's headers; ~callback.compiled trains without it",
                reason,
            )
            return
        # Each size gets its own graph: PyTorch would leave sizes open from the second on, which makes kernels slower.
        pl_module.in_training = torch.compile(pl_module.network.model.forward, mode="reduce-overhead", dynamic=False)
        self.used = True

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Release the compiled network and the memory of its graphs."""
        assert isinstance(pl_module, AnomalyAutoencoder)
        if pl_module.in_training is not None:
            pl_module.in_training = None
            pl_module.zero_grad()  # gradients may lie in the graphs' memory
            torch.compiler.reset()  # otherwise a sweep's runs would reach PyTorch's limit of graphs for one function

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Release the network as at the end of a training: a sweep goes on with the next run."""
        self.on_train_end(trainer, pl_module)


def was_compiled(trainer: lightning.Trainer) -> bool:
    """Return whether the trainer's last training ran a compiled network."""
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return any(isinstance(one, Compiled) and one.used for one in callbacks)


def keep_kernels_in(folder: Path) -> None:
    """Let PyTorch's compiler write to a folder, not to the system's temporary one; a user's choice stays."""
    if (os.environ.get(_KERNELS) or default_cache_dir()) in _not_the_users:
        os.environ[_KERNELS] = str(folder.absolute())
        _not_the_users.add(os.environ[_KERNELS])


def why_not(device: torch.device) -> str | None:
    """Return why PyTorch's compiler does not work on a device, in the compiler's words; None if it works."""
    try:
        torch.compile(lambda numbers: torch.relu(numbers) + 1)(torch.ones(1, device=device))
    except Exception as error:  # the compiler's errors have no common class
        return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return None
