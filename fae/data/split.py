"""Which training images are held out, and what the images and masks of a split hold at their common size."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fae.data.copies import copies
from fae.data.decoded import Shape, decoded
from fae.data.fit import ASPECTS, content_size, fit, fit_mask
from fae.data.index import Sample
from fae.data.seed import SPLIT, generator
from fae.image import Array, read_image, read_mask


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


class Masks(NamedTuple):
    """The ground truth of a split, in the order of its samples."""

    mask: Tensor
    """`(N, 1, H, W)` bool."""
    usable: Tensor
    """`(N,)` bool: whether the pixels of the image may be judged."""
    empty: tuple[Path, ...]
    """Masks of defective images without any defect pixel."""


class HoldOut:
    """Splits training images into those to learn from and those to judge by, as a function of a seed.

    Args:
        fraction: of the images that is held out, in (0, 1); at least two images, and never all.
        folds: hold out one of so many equal parts in place of `fraction`; None uses `fraction`.
        fold: which part, from 0.

    Raises:
        ValueError: an argument is outside its domain.
    """

    def __init__(self, fraction: float, folds: int | None, fold: int) -> None:
        if not 0 < fraction < 1:
            raise ValueError(f"data.val_fraction (={fraction}) must lie between 0 and 1; the paper uses 0.05")
        if folds is None and fold != 0:
            raise ValueError(f"data.fold (={fold}) needs data.folds, the number of parts")
        if folds is not None and (folds < 2 or not 0 <= fold < folds):
            raise ValueError(
                f"data.fold (={fold}) must lie in 0 to data.folds - 1, and data.folds (={folds}) be 2 or more"
            )
        self.fraction, self.folds, self.fold = fraction, folds, fold

    def __call__(self, samples: Sequence[Sample], seed: int) -> tuple[list[Sample], list[Sample], list[Path]]:
        """Split.

        Args:
            samples: of the training images.
            seed: of the drawing.

        Returns:
            the images to learn from, the images held out, and the files that belong to neither, because they are
            copies of held-out ones.

        Raises:
            ValueError: there are too few images for the folds, or copies leave none to learn from.
        """
        count = len(samples)
        order = torch.randperm(count, generator=generator(seed, SPLIT)).tolist()
        if self.folds is None:
            chosen = order[: min(count - 1, max(2, round(self.fraction * count)))]
        elif count < 2 * self.folds:
            raise ValueError(
                f"data.folds (={self.folds}) needs two images a part, there are {count}; use {max(2, count // 2)} or "
                "fewer"
            )
        else:
            chosen = order[self.fold :: self.folds]
        val = [samples[i] for i in sorted(chosen)]
        train = [samples[i] for i in sorted(set(order) - set(chosen))]
        twins = set(copies([sample.path for sample in val], [sample.path for sample in train]))
        kept = [sample for sample in train if sample.path not in twins]
        if not kept:
            raise ValueError(
                f"all {len(train)} training images equal held-out ones ({val[0].path} …); remove the copies"
            )
        return kept, val, sorted(twins)


class Reader:
    """Reads images and masks, and brings them to one size.

    Args:
        image_size: `(height, width)`; None takes that of the first image, which all others must then have.
        aspect: "stretch" or "pad", see `fae.data.fit.fit`.
        cache_dir: where decoded images are kept, see `fae.data.decoded.decoded`; None keeps them in memory.

    Raises:
        ValueError: there is no such aspect.
    """

    def __init__(self, image_size: Shape | None, aspect: str, cache_dir: Path | None) -> None:
        if aspect not in ASPECTS:
            raise ValueError(f"data.aspect (={aspect!r}) must be one of {ASPECTS}")
        self.image_size, self.aspect, self.cache_dir = image_size, aspect, cache_dir
        self._model_file: Path | None = None  # whose size all others must have

    def images(self, samples: Sequence[Sample]) -> Split:
        """Decode images.

        Raises:
            ValueError: a file is unreadable, or sizes differ.
        """
        paths = [sample.path for sample in samples]
        if self.image_size is None and paths:
            height, width, _ = read_image(paths[0]).shape
            self.image_size, self._model_file = (height, width), paths[0]
        size = self.image_size or (0, 0)
        made_with = self.aspect + ("" if self._model_file is None else "-own size")
        image, shape = decoded(paths, size, self._read, made_with, self.cache_dir)
        shapes = tuple((int(height), int(width)) for height, width in shape)
        sizes = tuple(content_size(one, size, self.aspect) for one in shapes)
        return Split(tuple(samples), torch.from_numpy(image), shapes, sizes)

    def _read(self, path: Path) -> tuple[Array, Shape]:
        assert self.image_size is not None
        image = read_image(path)
        shape = (image.shape[0], image.shape[1])
        if self._model_file is not None and shape != self.image_size:
            raise ValueError(
                f"{path} has {shape[0]}×{shape[1]} pixels, {self._model_file} "
                f"{self.image_size[0]}×{self.image_size[1]}; set data.image_size to bring all to one size"
            )
        return fit(image, self.image_size, self.aspect)[0], shape

    def masks(self, split: Split, has_masks: bool) -> Masks:
        """Decode the ground truth of a split.

        Args:
            split: of decoded images.
            has_masks: whether the data set outlines its defects at all.

        Raises:
            ValueError: a mask is unreadable, or has another size than its image.
        """
        masks, usable, empty = [], [], []
        assert self.image_size is not None
        for sample, shape in zip(split.samples, split.shapes, strict=True):
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
            usable.append(has_masks and (sample.label == 0 or bool(mask.any())))
        stacked = np.stack(masks) if masks else np.zeros((0, *self.image_size), np.bool_)
        return Masks(torch.from_numpy(stacked).unsqueeze(1), torch.tensor(usable, dtype=torch.bool), tuple(empty))
