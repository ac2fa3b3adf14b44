import lightning

from fae.data.module import DataModule


def in_last_stage(trainer: lightning.Trainer) -> bool:
    """Return whether training has reached its largest crops."""
    data: DataModule = trainer.datamodule  # type: ignore[attr-defined]
    return data.in_last_stage(trainer.global_step)
