from collections.abc import Callable
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from fae.module import FilteringAutoencoder


class Compiled(Callback):
    """Compiles the network for the training steps on a CUDA device, where the training is long enough to pay for it.

    Batch norm and ReLU become few passes over memory, and a CUDA graph launches them all at once: one graph for each
    crop size, each compiled when training comes to it. Validation and scoring run the network as it is, and on the CPU
    compiling gains nothing; what it gains and costs: experiments/benchmark.

    Args:
        least_steps: shorter trainings are not compiled.
        compile: makes a function faster.
    """

    def __init__(
        self,
        least_steps: int,
        compile: Callable[..., Callable[..., Any]] = torch.compile,
    ) -> None:
        self.least_steps, self.compile = least_steps, compile

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Compile, if it pays."""
        assert isinstance(pl_module, FilteringAutoencoder)
        if trainer.strategy.root_device.type == "cuda" and trainer.max_steps >= self.least_steps:
            # One graph a size: with sizes left open, as PyTorch has it from the second on, kernels are slower.
            pl_module.in_training = self.compile(pl_module.model.forward, mode="reduce-overhead", dynamic=False)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Let the compiled network go."""
        assert isinstance(pl_module, FilteringAutoencoder)
        pl_module.in_training = None
