import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException

from fae.machine.atomic import whole


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside the old file and then replaces it; loads only tensors and plain values.

    Lightning's own writer uses the system's folder for temporary files, which may lie on another disk.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Save a checkpoint, or raise OSError and leave the old file as it was."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as draft:
            try:
                torch.save(checkpoint, draft)
            except RuntimeError as error:  # torch.save raises it if the disk is full
                raise OSError(None, str(error)) from error

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Load a checkpoint with `weights_only=True`, whatever was asked for."""
        checkpoint: dict[str, Any] = torch.load(path, map_location=map_location or "cpu", weights_only=True)
        return checkpoint


class LastCheckpoint(Checkpoint):
    """Saves `last.ckpt` regularly, after each validation and at the end; after a save it obeys SIGTERM and Ctrl-C.

    A run that is asked to stop saves and ends after the current step, or after the validation that follows this step.
    Lightning itself would stop within a validation and lose half of its numbers.

    Args:
        path: path of the checkpoint file.
        every_n_steps: largest number of steps between two saves, >= 1.

    Raises:
        ValueError: `every_n_steps` is not positive.
    """

    def __init__(self, path: str, every_n_steps: int) -> None:
        if every_n_steps < 1:
            raise ValueError(f"every_n_steps (={every_n_steps}) must be at least 1")
        self.path = path
        self.every_n_steps = every_n_steps
        self._requested: int | None = None  # number of the signal that asks to stop
        self._stop = False  # whether all processes of the run agree to stop

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Handle the signals from now on; Lightning restores the earlier handlers when the fit ends."""
        self._alone = trainer.world_size == 1
        if threading.current_thread() is threading.main_thread():
            for signum in (signal.SIGINT, signal.SIGTERM):
                signal.signal(signum, self._request_stop)

    def _request_stop(self, signum: int, frame: FrameType | None) -> None:
        self._requested = signum
        # A second Ctrl-C stops a single process at once. Several processes get each Ctrl-C twice, from the terminal and
        # from their launcher.
        if self._alone:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Save if a save is due, unless a validation follows at once."""
        step = trainer.global_step
        self._agree(trainer)
        validates = trainer.enable_validation and step % max(1, int(trainer.val_check_interval)) == 0
        if not validates and (self._stop or step % self.every_n_steps == 0):
            self._save(trainer)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Save the state after the other callbacks have used the validation."""
        if not trainer.sanity_checking:
            self._agree(trainer)
            self._save(trainer)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Save the final state, so that a run that is killed while scoring does not train again."""
        self._agree(trainer)
        self._save(trainer)

    def _agree(self, trainer: lightning.Trainer) -> None:
        """Let all processes of a run stop if one is asked to stop: they can only save together."""
        self._stop = trainer.strategy.reduce_boolean_decision(self._requested is not None, all=False)

    def _save(self, trainer: lightning.Trainer) -> None:
        trainer.save_checkpoint(self.path, weights_only=False)
        if self._stop:
            raise SIGTERMException(self._requested or signal.SIGTERM)
