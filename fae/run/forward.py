"""The forward pass over whole splits: residuals and reconstructions of held-out, test and other images."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import lightning
import torch
from torch import Tensor, distributed
from torch.utils.data import DataLoader, IterableDataset

from fae.data.module import DataModule
from fae.module import AnomalyAutoencoder, Prediction
from fae.types import Images


def predict(trainer: lightning.Trainer, module: AnomalyAutoencoder, data: DataModule) -> tuple[Prediction, Prediction]:
    """Predict the held-out normal images and the test images, without synthetic damage.

    Each of several processes predicts its share of the images. The first process gets all predictions, and every other
    process gets its own.
    """
    predicted: Any = trainer.predict(module, datamodule=data, weights_only=True)
    # Without test images, Lightning's list is nested one level less.
    val, test = predicted if data.test.samples else (predicted, [])
    if trainer.world_size > 1:
        shares: list[Any] | None = [None] * trainer.world_size if trainer.is_global_zero else None
        distributed.gather_object((val, test), shares)
        if shares is not None:
            val, test = ([batch for share in shares for batch in share[i]] for i in range(2))
    return _join(val, data), _join(test, data)


def predict_images(
    trainer: lightning.Trainer,
    module: AnomalyAutoencoder,
    data: DataModule,
    images: Iterable[tuple[Tensor, Tensor | None]],
) -> Prediction:
    """Predict other images of the size of this data set.

    Args:
        trainer: trainer of the run.
        module: trained module.
        data: data module after `setup`.
        images: batches `(B, 3, H, W)` in [0, 1], each with its regions of interest, see `fae.types.Images`.
    """
    positions = itertools.count()
    batches = (Images(image, torch.tensor([next(positions) for _ in image]), roi) for image, roi in images)
    predicted: Any = trainer.predict(module, dataloaders=DataLoader(_Once(batches), batch_size=None), weights_only=True)
    return _join(predicted, data)


class _Once(IterableDataset[Images]):
    """Yields batches as they come, so that only one needs to be in memory."""

    def __init__(self, batches: Iterator[Images]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Images]:
        return self.batches


def _join(batches: Sequence[Prediction], data: DataModule) -> Prediction:
    if not batches:
        size = data.image_size or (0, 0)
        return Prediction(torch.zeros(0, 1, *size), torch.zeros(0, 3, *size, dtype=torch.uint8), torch.zeros(0))
    joined = Prediction(*(torch.cat(parts) for parts in zip(*batches, strict=True)))
    return Prediction(*(part[joined.sample.argsort()] for part in joined))
