import logging
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import lightning
import torch
from torch.utils.data import DataLoader

from fae.data.copies import copies
from fae.data.crop import as_size, crop_size, crop_stages, large_enough
from fae.data.decoded import Shape
from fae.data.extra import with_extra
from fae.data.group import grouped
from fae.data.hold_out import HoldOut
from fae.data.identity import Identity, identities
from fae.data.index import Index, Sample, Source
from fae.data.known import known_parts
from fae.data.left_out import examples
from fae.data.not_read import not_read
from fae.data.prepare import Preparation, Raw
from fae.data.roi import Regions
from fae.data.serve import Batches, Stream, resident
from fae.data.split import Reader, Split
from fae.data.truth import read_truth
from fae.image import ReadImage
from fae.types import Batch, Corruption, Images

log = logging.getLogger(__name__)


class DataModule(lightning.LightningDataModule):
    """Decode a data set once, and serve seeded batches; images are cropped and corrupted on the device.

    Every random number is a function of (seed, step), so that a resumed run equals an uninterrupted one. Each of
    several processes prepares the whole batch and keeps its share; together they see the batch of a single process.

    Args:
        source: function `(root, category) -> Index`.
        root: folder of the data set, or None; the source interprets it.
        category: name of the category; the source interprets it.
        corruption: synthetic damage to learn from.
        batch_size: number of images per step of all processes together, >= 1.
        max_steps: length of training in optimiser steps, >= 1; the crop schedule depends on it.
        image_size: size in pixels, a number or `[height, width]`; None keeps the images' own, common size.
        aspect: treatment of the aspect ratio, "stretch" or "pad", see `fae.data.fit.fit`.
        bit_depth: number of bits that a camera fills in files of 16 bits, 8 to 16; None takes 16.
        pages: "first" reads the first page of files of several pages; None refuses them.
        mask_above: border between background and defect in masks, a share of full scale in [0, 1); None lets the values
            decide, see `fae.image.mask.outline`.
        crop_sizes: crop sizes in pixels, or None for the default, see `fae.data.crop.crop_stages`.
        rotate: whether quarter turns are admissible, see `fae.data.augment.augment`.
        flip_horizontal: whether mirroring left and right is admissible.
        flip_vertical: whether mirroring top and bottom is admissible.
        val_fraction: share of the training images that is held out, in (0, 1), at least two images; copies of held-out
            images are not trained on either.
        val_corruptions: number of corrupted copies of each held-out image, >= 1.
        val_damage: synthetic damage of the held-out images; None takes `corruption`. Kinds that training left out tell
            better what a network makes of the unknown.
        group: rule that says which images show one part, see `fae.data.group.grouped`; a part is held out as a whole.
            None leaves what the source has found.
        twins: largest share of bits in which the hashes of two photographs of one part differ, in [0, 1], see
            `fae.data.twins`; None looks for no images that look alike.
        folds: number of equal parts of the training images, of which one is held out; None uses `val_fraction`.
        fold: index of the held-out part, from 0; runs of all parts together hold out every image once.
        noise_sigma: standard deviation of the noise anchor, >= 0; see `fae.data.noise.anchor`.
        noise_clip: whether noisy images are brought back to [0, 1].
        extra: folder of further normal images to learn from, or list of folders, see `fae.data.extra.with_extra`; a
            share of each is held out. None adds nothing.
        roi: mask of the region of interest of all images, or folder of masks, see `fae.data.roi.Regions`; what lies
            outside counts nowhere. None judges whole images.
        cache_dir: folder for decoded images, see `fae.data.decoded.decoded`; None keeps the images in memory.
        seed: seed of the split, the order, the crops and the corruptions, >= 0.

    Raises:
        ValueError: an argument is outside its domain.
    """

    def __init__(
        self,
        source: Source,
        root: str | None,
        category: str,
        corruption: Corruption,
        batch_size: int,
        max_steps: int,
        image_size: int | Sequence[int] | None = None,
        aspect: str = "stretch",
        bit_depth: int | None = None,
        pages: str | None = None,
        mask_above: float | None = None,
        crop_sizes: Sequence[int | Sequence[int]] | None = None,
        rotate: bool = True,
        flip_horizontal: bool = True,
        flip_vertical: bool = True,
        val_fraction: float = 0.05,
        val_corruptions: int = 4,
        val_damage: Corruption | None = None,
        group: str | None = None,
        twins: float | None = None,
        folds: int | None = None,
        fold: int = 0,
        noise_sigma: float = 0.0,
        noise_clip: bool = False,
        extra: str | Sequence[str] | None = None,
        roi: str | None = None,
        cache_dir: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        for name, value in (
            ("data.batch_size", batch_size),
            ("data.val_corruptions", val_corruptions),
            ("trainer.max_steps", max_steps),
        ):
            if value < 1:
                raise ValueError(f"{name} (={value}) must be at least 1")
        if mask_above is not None and not 0 <= mask_above < 1:
            raise ValueError(
                f"data.mask_above (={mask_above}) must be a share of full scale in [0, 1); 0 takes every value above 0"
            )
        if twins is not None and not 0 <= twins <= 1:
            raise ValueError(f"data.twins (={twins}) must be a share of bits in [0, 1], or null")
        self.source, self.root, self.category, self.group, self.twins = source, root, category, group, twins
        self.extra = extra
        self.batch_size, self.max_steps, self.val_corruptions = batch_size, max_steps, val_corruptions
        self.aspect, self.mask_above, self.crop_sizes, self.seed = aspect, mask_above, crop_sizes, seed
        size = None if image_size is None else as_size("data.image_size", image_size)
        cache = None if cache_dir is None else Path(cache_dir)
        regions = None if roi is None else Regions(Path(roi))
        self.reader = Reader(size, aspect, cache, ReadImage(bit_depth, pages), regions)
        self.hold_out = HoldOut(val_fraction, folds, fold)
        symmetry = (rotate, flip_horizontal, flip_vertical)
        self.preparation = Preparation(corruption, symmetry, noise_sigma, noise_clip, seed, val_damage)
        self.notes: list[str] = []  # facts about the data that a reader of the results must know

    @cached_property
    def index(self) -> Index:
        """The index of the files, which is built once; the source's errors are raised here."""
        index = with_extra(self.source(self.root, self.category), self.extra)
        index = grouped(index, self.root, self.group)
        self.notes.extend(index.notes)
        return index

    @property
    def image_size(self) -> Shape | None:
        """The `(height, width)` of all images; None if no size was given and no image has been read yet."""
        return self.reader.image_size

    def setup(self, stage: str | None = None) -> None:
        """Decode every image and mask, once, so that a bad file is an error before training starts.

        Raises:
            ValueError: a file is unreadable, sizes differ, a mask does not fit its image, or no image is left
                to learn from.
        """
        if hasattr(self, "train"):
            return
        train, val, left = self.hold_out(self.index.train, self.seed, self.index.extra)
        if left:
            self._note("{} training image(s) equal held-out or earlier images and are left out of training", left)
        learned, test = ([sample.path for sample in some] for some in ([*val, *train], self.index.test))
        if copied := copies(learned, test):
            self._note("{} test image(s) equal training images, so that the metrics look better than they are", copied)
        self.val, self.train, self.test = self.decode(val), self.decode(train), self.decode(self.index.test)
        rest = self.decode([sample for sample in self.index.train if sample.path in set(left)])
        self.identities = identities(self.index, (self.train, self.val, self.test, rest), self.reader)
        height, width = large_enough(self.train.image.shape[-2:])
        truth = read_truth(self.test, self.index.has_masks, (height, width), self.aspect, self.mask_above)
        if lost := truth.outside:
            self._note("{} test image(s) have no defect in the region of interest, and are left out", lost)
            self.test = self.decode([sample for sample in self.index.test if sample.path not in lost])
            truth = read_truth(self.test, self.index.has_masks, (height, width), self.aspect, self.mask_above)
        self.mask, self.has_mask, self.regions = truth.mask, truth.usable, truth.regions
        splits = (self.train, self.val, self.test)
        known = known_parts(*splits, set(copied), self.twins)
        self.known = known.test
        for text, files in (*known.notes, *not_read(splits, self.reader.read.bit_depth), *truth.notes):
            self._note(text, files)
        self.stages = crop_stages(self.crop_sizes, (height, width))

    @property
    def identity(self) -> Identity:
        """What tells this data set, with all folders of data.extra, from another."""
        return self.identities[-1]

    def _note(self, text: str, paths: Collection[Path]) -> None:
        """Log a warning, and add it to the notes that the results hold."""
        self.notes.append(f"{text.format(len(paths))}: {examples(paths)}")
        log.warning("NOTE: %s", self.notes[-1])

    def decode(self, samples: Sequence[Sample]) -> Split:
        """Read images, and bring them to the size of this data set.

        Raises:
            ValueError: a file is unreadable, or sizes differ.
        """
        return self.reader.images(samples)

    def train_dataloader(self) -> DataLoader[Raw]:
        """Return an endless stream of batches that starts at the trainer's step."""
        assert self.trainer is not None
        image = resident(self.train.image, self.trainer.strategy.root_device)
        stream = Stream(image, self.batch_size, self.seed, self.trainer.global_step, self.train.roi)
        return DataLoader(stream, batch_size=None)

    def val_dataloader(self) -> DataLoader[Raw]:
        """Return batches that hold every held-out image `val_corruptions` times."""
        val = self.val
        which = torch.split(torch.arange(len(val.samples)).repeat(self.val_corruptions), self.batch_size)
        batches = Batches(len(which), lambda i: Raw(val.image[which[i]], i, val.roi_of(which[i])))
        return DataLoader(batches, batch_size=None)

    def predict_dataloader(self) -> list[DataLoader[Images]]:
        """Return this process's share of the undamaged held-out images, and of the test images if there are any."""
        return [self._plain(split) for split in (self.val, self.test) if split.samples]

    def _plain(self, split: Split) -> DataLoader[Images]:
        assert self.trainer is not None
        own = torch.arange(self.trainer.global_rank, len(split.samples), self.trainer.world_size)
        which = torch.split(own, self.batch_size)
        batches = Batches(len(which), lambda i: Images(split.image[which[i]], which[i], split.roi_of(which[i])))
        return DataLoader(batches, batch_size=None)

    def damaged(self, damage: Corruption | None = None) -> Iterator[Batch]:
        """Yield the held-out images at their full size, with the damage that validation sees, or with another one."""
        for raw in self.val_dataloader():
            yield self.preparation.for_validation(raw, damage)

    def on_after_batch_transfer(self, batch: Raw | Images, dataloader_idx: int) -> Batch | Images:
        """Scale images to [0, 1], then crop, augment, corrupt and add noise to train, or corrupt alike to validate."""
        if isinstance(batch, Images):
            return batch._replace(image=batch.image.float() / 255)
        assert self.trainer is not None
        training = self.trainer.training
        whole = self.training_batch(batch) if training else self.preparation.for_validation(batch)
        rank, processes = self.trainer.global_rank, self.trainer.world_size
        return whole.each(lambda part: part[rank::processes])

    def crop_size(self, step: int) -> Shape:
        """Return the `(height, width)` of a step's crops, in pixels."""
        return crop_size(self.stages, step, self.max_steps)

    def in_last_stage(self, steps: int) -> bool:
        """Return whether the last of `steps` steps saw the largest crops."""
        return self.crop_size(steps - 1) == self.stages[-1]

    def training_batch(self, batch: Raw) -> Batch:
        """Crop, augment and corrupt a batch, and add noise; the result is a function of (seed, step)."""
        return self.preparation.for_training(batch, self.crop_size(batch.step))
