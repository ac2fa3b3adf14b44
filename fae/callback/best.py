from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import ModelCheckpoint

from fae.callback.stage import in_last_stage


class BestCheckpoint(ModelCheckpoint):
    """Keeps the best weights of the last crop stage, and remembers its best value if the run's folder is moved.

    In earlier stages the network has not seen whole images. The monitored value on whole held-out images can then
    be the lowest of the run although the network reproduces little but the mean colour.
    """

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Keep the weights if they are the best of the last crop stage."""
        if in_last_stage(trainer):
            super().on_validation_end(trainer, pl_module)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state, and replace paths in the old folder by those of the same files in the new folder."""

        def moved(path: str) -> str:
            return str(Path(str(self.dirpath)) / Path(path).name) if path else path

        paths = ("best_model_path", "kth_best_model_path", "last_model_path")
        super().load_state_dict(
            state_dict
            | {"dirpath": self.dirpath}
            | {name: moved(state_dict[name]) for name in paths}
            | {"best_k_models": {moved(path): value for path, value in state_dict["best_k_models"].items()}}
        )
