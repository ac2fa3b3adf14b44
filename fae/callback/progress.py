from lightning.pytorch.callbacks import TQDMProgressBar


class StepProgressBar(TQDMProgressBar):
    """Lightning's progress bar over optimiser steps instead of epochs, with time left."""

    @property
    def total_train_batches(self) -> int | float:
        """The endless stream ends at `max_steps`."""
        return self.trainer.max_steps if self.trainer.max_steps > 0 else super().total_train_batches
