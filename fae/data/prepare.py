"""From decoded images to what a step sees: crop, augment, corrupt, add noise. On the device, a function of the seed."""

from typing import NamedTuple

import torch
from torch import Tensor

from fae.data.augment import augment
from fae.data.crop import random_crop
from fae.data.decoded import Shape
from fae.data.noise import anchor, check_sigma
from fae.data.seed import TRAIN, VALIDATE, generator
from fae.types import Batch, Corruption


class Raw(NamedTuple):
    """A batch as a loader yields it: decoded bytes, and the step that seeds its random numbers."""

    image: Tensor
    """`(B, 3, H, W)` uint8."""
    step: int


class Preparation:
    """Prepares batches; every random number is a function of (seed, step).

    Args:
        corruption: the damage to learn from.
        symmetry: which of rotation, horizontal and vertical flips are admissible, see `fae.data.augment.augment`.
        noise_sigma: of the noise anchor, see `fae.data.noise.anchor`.
        noise_clip: whether noisy images are brought back to [0, 1].
        seed: of all random numbers.

    Raises:
        ValueError: `noise_sigma` is outside its domain.
    """

    def __init__(
        self,
        corruption: Corruption,
        symmetry: tuple[bool, bool, bool],
        noise_sigma: float,
        noise_clip: bool,
        seed: int,
    ) -> None:
        self.corruption, self.symmetry, self.seed = corruption, symmetry, seed
        self.noise_sigma, self.noise_clip = check_sigma(noise_sigma), noise_clip

    def for_training(self, batch: Raw, crop: Shape) -> Batch:
        """Crop to `(height, width)`, augment, corrupt and add noise."""
        random = generator(self.seed, TRAIN, batch.step)
        image = augment(random_crop(batch.image, crop, random), *self.symmetry, random)
        return anchor(self._corrupt(image.float() / 255, random), self.noise_sigma, self.noise_clip, random)

    def for_validation(self, batch: Raw) -> Batch:
        """Corrupt whole images, alike in every validation."""
        return self._corrupt(batch.image.float() / 255, generator(self.seed, VALIDATE, batch.step))

    def _corrupt(self, image: Tensor, random: torch.Generator) -> Batch:
        corrupted, corruption_mask = self.corruption(image, random)
        return Batch(image, corrupted, corruption_mask)
