"""Preparation of batches on the device: decoded images are cropped, augmented and corrupted, and get noise."""

from typing import NamedTuple

import torch
from torch import Tensor

from fae.data.augment import augment
from fae.data.crop import random_crop
from fae.data.decoded import Shape
from fae.data.noise import anchor, check_sigma
from fae.data.seed import TRAIN, VALIDATE, generator
from fae.types import Batch, Corruption

_COLOURS = 3


class Raw(NamedTuple):
    """A batch as a loader yields it: decoded bytes, and the step that seeds the batch's random numbers."""

    image: Tensor
    """`(B, 3, H, W)` uint8 images."""
    step: int
    """The number of the batch, >= 0: the training step, or the position among the validation batches."""
    roi: Tensor | None = None
    """`(B, 1, H, W)` bool regions of interest; None if whole images count."""

    @property
    def planes(self) -> Tensor:
        """The image, and its region as a fourth channel if there is one, so that both are cropped and turned alike."""
        return self.image if self.roi is None else torch.cat([self.image, self.roi.byte()], dim=1)


class Preparation:
    """Prepare batches; every random number is a function of (seed, step).

    Args:
        corruption: synthetic damage to learn from.
        symmetry: whether quarter turns, horizontal flips and vertical flips are admissible, in this order, see
            `fae.data.augment.augment`.
        noise_sigma: standard deviation of the noise anchor, >= 0, see `fae.data.noise.anchor`.
        noise_clip: whether noisy images are brought back to [0, 1].
        seed: seed of all random numbers, >= 0.
        val_damage: synthetic damage of validation; None takes the damage of training.

    Raises:
        ValueError: `noise_sigma` or `seed` is outside its domain.
    """

    def __init__(
        self,
        corruption: Corruption,
        symmetry: tuple[bool, bool, bool],
        noise_sigma: float,
        noise_clip: bool,
        seed: int,
        val_damage: Corruption | None = None,
    ) -> None:
        if seed < 0:
            raise ValueError(f"data.seed (={seed}) must not be negative")
        self.corruption, self.symmetry, self.seed = corruption, symmetry, seed
        self.val_damage = val_damage
        self.noise_sigma, self.noise_clip = check_sigma(noise_sigma), noise_clip

    def for_training(self, batch: Raw, crop: Shape) -> Batch:
        """Crop images to `(height, width)`, augment and corrupt them, and add noise."""
        random = generator(self.seed, TRAIN, batch.step)
        planes = augment(random_crop(batch.planes, crop, random), *self.symmetry, random)
        damaged = _damaged(planes, self.corruption, random)
        return anchor(damaged, self.noise_sigma, self.noise_clip, random)

    def for_validation(self, batch: Raw, damage: Corruption | None = None) -> Batch:
        """Damage whole images, alike in every validation; `damage` stands in for the damage of validation."""
        return _damaged(
            batch.planes, damage or self.val_damage or self.corruption, generator(self.seed, VALIDATE, batch.step)
        )


def _damaged(planes: Tensor, damage: Corruption, random: torch.Generator) -> Batch:
    clean = planes[:, :_COLOURS].float() / 255
    corrupted, corruption_mask = damage(clean, random)
    roi = planes[:, _COLOURS:].bool() if planes.shape[1] > _COLOURS else None
    return Batch(clean, corrupted, corruption_mask, roi)
