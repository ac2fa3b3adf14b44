import itertools
import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeVar

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from fae.data.augment import augment
from fae.data.copies import copies
from fae.data.crop import as_size, crop_size, crop_stages, random_crop
from fae.data.decoded import Shape, decoded
from fae.data.fit import ASPECTS, content_size, fit, fit_mask
from fae.data.index import Index, Sample, Source
from fae.data.noise import anchor, check_sigma
from fae.data.seed import SHUFFLE, SPLIT, TRAIN, VALIDATE, generator
from fae.image import Array, read_image, read_mask
from fae.types import Batch, Corruption, Images

log = logging.getLogger(__name__)

_T = TypeVar("_T")


class Raw(NamedTuple):
    """A batch as a loader yields it: decoded bytes, and the step that seeds its random numbers."""

    image: Tensor
    """`(B, 3, H, W)` uint8."""
    step: int


class Split(NamedTuple):
    """The decoded images of a split, in the order of their samples."""

    samples: tuple[Sample, ...]
    image: Tensor
    """`(N, 3, H, W)` uint8."""
    shapes: tuple[Shape, ...]
    """`(height, width)` of each file."""
    sizes: tuple[Shape, ...]
    """`(height, width)` of the part of each image that is no padding."""

    @property
    def content(self) -> Tensor:
        """`(N, 1, H, W)` bool, False where the image was padded."""
        heights, widths = torch.tensor(self.sizes, dtype=torch.int64).view(-1, 2, 1, 1, 1).unbind(dim=1)
        rows, columns = self.image.shape[-2:]
        return (torch.arange(rows).view(-1, 1) < heights) & (torch.arange(columns) < widths)


class DataModule(lightning.LightningDataModule):
    """Decodes a data set once and serves it: crops and corruptions on the device, all seeded.

    Every random number is a function of (seed, step), so that a resumed run equals an uninterrupted one. Of several
    processes each prepares the whole batch and keeps its share, so that together they see what a single one would.

    Args:
        source: `(root, category) -> Index`.
        root: see the source.
        category: see the source.
        corruption: the damage to learn from.
        batch_size: images a step, of all processes together.
        max_steps: length of training, for the crop schedule.
        image_size: pixels, a number or `[height, width]`; None keeps the images' own, common size.
        aspect: "stretch" or "pad", see `fae.data.fit.fit`.
        crop_sizes: see `fae.data.crop.crop_stages`.
        rotate: see `fae.data.augment.augment`; so are the flips.
        flip_horizontal: mirroring left and right is admissible.
        flip_vertical: mirroring top and bottom is admissible.
        val_fraction: part of the training images that is held out, at least two images; copies of them are no part of
            training either.
        val_corruptions: corrupted copies of each held-out image.
        folds: hold out one of so many equal parts of the training images, in place of `val_fraction`.
        fold: which part, from 0; a run each for all of them has held out every image once.
        noise_sigma: see `fae.data.noise.anchor`; so is the next.
        noise_clip: whether noisy images are brought back to [0, 1].
        cache_dir: where decoded images are kept, see `fae.data.decoded.decoded`; None keeps them in memory.
        seed: of the split, the order and the corruptions.

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
        crop_sizes: Sequence[int | Sequence[int]] | None = None,
        rotate: bool = True,
        flip_horizontal: bool = True,
        flip_vertical: bool = True,
        val_fraction: float = 0.05,
        val_corruptions: int = 4,
        folds: int | None = None,
        fold: int = 0,
        noise_sigma: float = 0.0,
        noise_clip: bool = False,
        cache_dir: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if aspect not in ASPECTS:
            raise ValueError(f"data.aspect (={aspect!r}) must be one of {ASPECTS}")
        if not 0 < val_fraction < 1:
            raise ValueError(f"data.val_fraction (={val_fraction}) must lie between 0 and 1; the paper uses 0.05")
        if folds is None and fold != 0:
            raise ValueError(f"data.fold (={fold}) needs data.folds, the number of parts")
        if folds is not None and (folds < 2 or not 0 <= fold < folds):
            raise ValueError(
                f"data.fold (={fold}) must lie in 0 to data.folds - 1, and data.folds (={folds}) be 2 or more"
            )
        for name, value in (
            ("data.batch_size", batch_size),
            ("data.val_corruptions", val_corruptions),
            ("trainer.max_steps", max_steps),
        ):
            if value < 1:
                raise ValueError(f"{name} (={value}) must be at least 1")
        self.source, self.root, self.category = source, root, category
        self.corruption = corruption
        self.batch_size, self.max_steps = batch_size, max_steps
        self.image_size = None if image_size is None else as_size("data.image_size", image_size)
        self.aspect, self.crop_sizes = aspect, crop_sizes
        self.symmetry = (rotate, flip_horizontal, flip_vertical)
        self.val_fraction, self.val_corruptions = val_fraction, val_corruptions
        self.folds, self.fold = folds, fold
        self.noise_sigma, self.noise_clip = check_sigma(noise_sigma), noise_clip
        self.cache_dir = None if cache_dir is None else Path(cache_dir)
        self.seed = seed
        self.notes: list[str] = []  # what a reader of the results must know about the data

    @cached_property
    def index(self) -> Index:
        """The files, read from disk once; see the source for the errors."""
        index = self.source(self.root, self.category)
        self.notes.extend(index.notes)
        return index

    def setup(self, stage: str | None = None) -> None:
        """Decode every image and mask, once, so that a bad file is an error before training starts.

        Raises:
            ValueError: a file is unreadable, sizes differ, a mask does not fit its image, or nothing is left
                to learn from.
        """
        if hasattr(self, "train"):
            return
        samples = self.index.train
        order = torch.randperm(len(samples), generator=generator(self.seed, SPLIT)).tolist()
        if self.folds is None:
            held_out = order[: min(len(samples) - 1, max(2, round(self.val_fraction * len(samples))))]
        elif len(samples) < 2 * self.folds:
            raise ValueError(
                f"data.folds (={self.folds}) needs two images a part, there are {len(samples)}; "
                f"use {max(2, len(samples) // 2)} or fewer"
            )
        else:
            held_out = order[self.fold :: self.folds]
        val = [samples[i] for i in sorted(held_out)]
        train = self._without_copies([samples[i] for i in sorted(set(order) - set(held_out))], val)
        self.val, self.train, self.test = self.decode(val), self.decode(train), self.decode(self.index.test)
        self.mask, self.has_mask = self._decode_masks()
        height, width = self.train.image.shape[-2:]
        self.stages = crop_stages(self.crop_sizes, (height, width))

    def _without_copies(self, train: list[Sample], val: list[Sample]) -> list[Sample]:
        """Leave out of training what is held out under another name; say so, and which test images are learned from."""
        held_out, test = [sample.path for sample in val], [sample.path for sample in self.index.test]
        if twins := set(copies(held_out, [sample.path for sample in train])):
            self._note("{} training image(s) equal held-out ones and are left out of training", twins)
        kept = [sample for sample in train if sample.path not in twins]
        if not kept:
            raise ValueError(
                f"all {len(train)} training images equal held-out ones ({held_out[0]} …); remove the copies"
            )
        if known := copies([*held_out, *(sample.path for sample in kept)], test):
            self._note("{} test image(s) equal training images, so that the metrics look better than they are", known)
        return kept

    def _note(self, text: str, paths: Collection[Path]) -> None:
        """Tell the user, and whoever reads the results."""
        self.notes.append(f"{text.format(len(paths))}: {', '.join(map(str, sorted(paths)))}")
        log.warning(self.notes[-1])

    def decode(self, samples: Sequence[Sample]) -> Split:
        """Read images and bring them to the size of this data set.

        Raises:
            ValueError: a file is unreadable, or sizes differ.
        """
        paths = [sample.path for sample in samples]
        if self.image_size is None and paths:
            height, width, _ = read_image(paths[0]).shape
            self.image_size, self._model_file = (height, width), paths[0]
        size, strict = self.image_size or (0, 0), hasattr(self, "_model_file")
        image, shape = decoded(paths, size, self._read, f"{self.aspect}{'-own size' * strict}", self.cache_dir)
        shapes = tuple((int(height), int(width)) for height, width in shape)
        sizes = tuple(content_size(one, size, self.aspect) for one in shapes)
        return Split(tuple(samples), torch.from_numpy(image), shapes, sizes)

    def _read(self, path: Path) -> tuple[Array, Shape]:
        assert self.image_size is not None
        image = read_image(path)
        shape = (image.shape[0], image.shape[1])
        if hasattr(self, "_model_file") and shape != self.image_size:
            raise ValueError(
                f"{path} has {shape[0]}×{shape[1]} pixels, {self._model_file} "
                f"{self.image_size[0]}×{self.image_size[1]}; set data.image_size to bring all to one size"
            )
        return fit(image, self.image_size, self.aspect)[0], shape

    def _decode_masks(self) -> tuple[Tensor, Tensor]:
        """Masks `(N, 1, H, W)` bool, and `(N,)` bool: whether the pixels of the image may be judged."""
        masks, usable, empty = [], [], []
        assert self.image_size is not None
        for sample, shape in zip(self.test.samples, self.test.shapes, strict=True):
            mask: NDArray[np.bool_] = np.zeros(self.image_size, dtype=np.bool_)
            if sample.mask is not None:
                raw = read_mask(sample.mask)
                if raw.shape != shape:
                    raise ValueError(
                        f"mask {sample.mask} has {raw.shape[0]}×{raw.shape[1]} pixels, its image {sample.path} "
                        f"{shape[0]}×{shape[1]}; they must be equal"
                    )
                mask = fit_mask(raw, self.image_size, self.aspect)
                if not raw.any():
                    empty.append(sample.mask)
            masks.append(mask)
            usable.append(self.index.has_masks and (sample.label == 0 or bool(mask.any())))
        if empty:
            self._note(
                "{} mask(s) without any defect pixel: their images keep the label and stay out of the pixel metrics",
                empty,
            )
        stacked = np.stack(masks) if masks else np.zeros((0, *self.image_size), np.bool_)
        return torch.from_numpy(stacked).unsqueeze(1), torch.tensor(usable, dtype=torch.bool)

    def train_dataloader(self) -> DataLoader[Raw]:
        """An endless stream that starts at the trainer's step."""
        assert self.trainer is not None
        return DataLoader(_Stream(self, self.trainer.global_step), batch_size=None)

    def resident(self, device: torch.device) -> Tensor:
        """The training images, on the device if it is a GPU and they fit into half of its free memory."""
        image = self.train.image
        fits = device.type == "cuda" and image.nbytes < torch.cuda.mem_get_info(device)[0] // 2
        return image.to(device) if fits else image

    def val_dataloader(self) -> DataLoader[Raw]:
        """Every held-out image, `val_corruptions` times."""
        count = len(self.val.samples)
        which = torch.split(torch.arange(count).repeat(self.val_corruptions), self.batch_size)
        return DataLoader(_Batches(len(which), lambda i: Raw(self.val.image[which[i]], i)), batch_size=None)

    def predict_dataloader(self) -> list[DataLoader[Images]]:
        """The held-out images as they are, then the test images, where there are any: this process's share."""
        return [self._plain(split) for split in (self.val, self.test) if split.samples]

    def _plain(self, split: Split) -> DataLoader[Images]:
        assert self.trainer is not None
        own = torch.arange(self.trainer.global_rank, len(split.samples), self.trainer.world_size)
        which = torch.split(own, self.batch_size)
        return DataLoader(_Batches(len(which), lambda i: Images(split.image[which[i]], which[i])), batch_size=None)

    def damaged(self) -> Iterator[Batch]:
        """The held-out images with the damage that validation sees, at their full size."""
        for raw in self.val_dataloader():
            yield self._damaged(raw)

    def _damaged(self, raw: Raw) -> Batch:
        return self._corrupt(raw.image.float() / 255, generator(self.seed, VALIDATE, raw.step))

    def on_after_batch_transfer(self, batch: Raw | Images, dataloader_idx: int) -> Batch | Images:
        """Scale to [0, 1]; crop, augment, corrupt and add noise for training; corrupt alike in every validation."""
        if isinstance(batch, Images):
            return Images(batch.image.float() / 255, batch.sample)
        assert self.trainer is not None
        whole = self.training_batch(batch) if self.trainer.training else self._damaged(batch)
        return Batch(*(part[self.trainer.global_rank :: self.trainer.world_size] for part in whole))

    def crop_size(self, step: int) -> Shape:
        """`(height, width)` of a step's crops."""
        return crop_size(self.stages, step, self.max_steps)

    def in_last_stage(self, steps: int) -> bool:
        """Whether the last of so many steps saw the largest crops."""
        return self.crop_size(steps - 1) == self.stages[-1]

    def training_batch(self, batch: Raw) -> Batch:
        """Crop, augment, corrupt and add noise; a function of (seed, step)."""
        random = generator(self.seed, TRAIN, batch.step)
        image = augment(random_crop(batch.image, self.crop_size(batch.step), random), *self.symmetry, random)
        return anchor(self._corrupt(image.float() / 255, random), self.noise_sigma, self.noise_clip, random)

    def _corrupt(self, image: Tensor, random: torch.Generator) -> Batch:
        corrupted, corruption_mask = self.corruption(image, random)
        return Batch(image, corrupted, corruption_mask)


class _Batches(Dataset[_T]):
    """Batches that are made when they are asked for."""

    def __init__(self, count: int, make: Callable[[int], _T]) -> None:
        self.count, self.make = count, make

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> _T:
        return self.make(index)


class _Stream(IterableDataset[Raw]):
    """Training batches from a step on; every image once per pass through a seeded order."""

    def __init__(self, data: DataModule, step: int) -> None:
        self.data, self.step = data, step

    def __iter__(self) -> Iterator[Raw]:
        trainer = self.data.trainer
        assert trainer is not None
        images = self.data.resident(trainer.strategy.root_device)
        size, seed = self.data.batch_size, self.data.seed
        count, epoch, order = len(images), -1, torch.empty(0)
        for step in itertools.count(self.step):
            chosen = []
            for position in range(step * size, (step + 1) * size):
                if position // count != epoch:
                    epoch = position // count
                    order = torch.randperm(count, generator=generator(seed, SHUFFLE, epoch))
                chosen.append(int(order[position % count]))
            yield Raw(images[torch.tensor(chosen).to(images.device, non_blocking=True)], step)
