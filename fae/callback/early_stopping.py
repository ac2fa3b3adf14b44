import lightning
from lightning.pytorch.callbacks import EarlyStopping

from fae.callback.stage import in_last_stage


class ResumableEarlyStopping(EarlyStopping):
    """Stops early, from the last crop stage on; a resumed run remembers that it had already stopped."""

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Count the validations of the last crop stage that bring no better value."""
        if in_last_stage(trainer):
            super().on_validation_end(trainer, pl_module)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop a resumed run at once if it had already stopped."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True
