from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import ModelCheckpoint


class BestCheckpoint(ModelCheckpoint):
    """Lightning's ModelCheckpoint, which otherwise forgets the best value so far when its folder has moved."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the paths of the old folder for the same files in the new one."""

        def moved(path: str) -> str:
            return str(Path(str(self.dirpath)) / Path(path).name) if path else path

        paths = ("best_model_path", "kth_best_model_path", "last_model_path")
        super().load_state_dict(
            state_dict
            | {"dirpath": self.dirpath}
            | {name: moved(state_dict[name]) for name in paths}
            | {"best_k_models": {moved(path): value for path, value in state_dict["best_k_models"].items()}}
        )
