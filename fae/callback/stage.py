import lightning

from fae.data.module import DataModule


def in_last_stage(trainer: lightning.Trainer) -> bool:
    """Whether training has come to its largest crops."""
    data: DataModule = trainer.datamodule  # type: ignore[attr-defined]
    return data.in_last_stage(trainer.global_step)
