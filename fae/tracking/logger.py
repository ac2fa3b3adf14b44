import io
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
import wandb
from lightning.pytorch.loggers import WandbLogger
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

_STEP = "trainer/global_step"  # Lightning's name for the axis of its curves

Row = dict[str, int | float | Tensor]
"""The values of one log call: plain numbers, or a picture as the bytes of a JPEG file, and the step."""


class ResumableWandbLogger(WandbLogger):
    """Logs to W&B, and remembers the curves and pictures of a training, to show them again when it is resumed."""

    @cached_property
    def history(self) -> list[Row]:
        """All rows that were logged with a step so far; a checkpoint can hold them."""
        return []

    @property
    def enabled(self) -> bool:
        """Whether W&B records what is logged."""
        return not self.experiment.disabled

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log metrics; if they belong to a step, remember their numbers."""
        numbers = {key: value for key, value in metrics.items() if isinstance(value, int | float)}
        if step is not None and numbers:
            self.history.append({_STEP: step, **numbers})
        super().log_metrics(metrics, step)

    def log_picture(self, key: str, picture: NDArray[np.uint8], step: int) -> None:
        """Log and remember an RGB picture `(h, w, 3)`."""
        file = io.BytesIO()
        Image.fromarray(picture).save(file, format="JPEG", quality=90)
        self.history.append({_STEP: step, key: torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)})
        self._show(self.history[-1])

    def restore(self, history: Sequence[Row]) -> None:
        """Continue a history, and show it unless the server already has it."""
        self.history[:] = history
        if self.enabled and not self.experiment.resumed:
            for row in history:
                self._show(row)

    def _show(self, row: Row) -> None:
        def picture(file: Tensor) -> wandb.Image:
            return wandb.Image(Image.open(io.BytesIO(file.numpy().tobytes())), file_type="jpg")

        self.experiment.log({key: picture(v) if isinstance(v, Tensor) else v for key, v in row.items()})
