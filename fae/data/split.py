"""The images of a split at their common size."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from fae.data.decoded import Shape, decoded
from fae.data.fit import ASPECTS, content_size, fit
from fae.data.index import Sample
from fae.data.memo import Seen
from fae.data.roi import Regions
from fae.image import Array, Read, ReadImage


class Split(NamedTuple):
    """The decoded images of a split, in the order of their samples."""

    samples: tuple[Sample, ...]
    image: Tensor
    """`(N, 3, H, W)` uint8 images at the common size."""
    sizes: tuple[Shape, ...]
    """The `(height, width)` of the part of each image that is not padding, in pixels."""
    seen: tuple[Seen, ...]
    """The content of each file."""
    roi: Tensor | None = None
    """`(N, 1, H, W)` bool regions of interest, False where nothing counts; None if whole images count."""

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The `(height, width)` of each file, in pixels."""
        return tuple((one.height, one.width) for one in self.seen)

    def roi_of(self, which: Tensor) -> Tensor | None:
        """Return the regions of interest of the images at some positions; None if whole images count."""
        return None if self.roi is None else self.roi[which]

    @property
    def content(self) -> Tensor:
        """The pixels that are judged, `(N, 1, H, W)` bool: False in padding, and outside a region of interest."""
        if self.roi is not None:
            return self.roi
        heights, widths = torch.tensor(self.sizes, dtype=torch.int64).view(-1, 2, 1, 1, 1).unbind(dim=1)
        rows, columns = self.image.shape[-2:]
        return (torch.arange(rows).view(-1, 1) < heights) & (torch.arange(columns) < widths)


class Reader:
    """Read images, and bring them to one size.

    Args:
        image_size: `(height, width)` in pixels; None takes the size of the first image, which all must then have.
        aspect: treatment of the aspect ratio, "stretch" or "pad", see `fae.data.fit.fit`.
        cache_dir: folder for decoded images, see `fae.data.decoded.decoded`; None keeps the images in memory.
        read: decoder of the files.
        regions: regions of interest; None if whole images count.

    Raises:
        ValueError: `aspect` is unknown.
    """

    def __init__(
        self,
        image_size: Shape | None,
        aspect: str,
        cache_dir: Path | None,
        read: ReadImage,
        regions: Regions | None = None,
    ) -> None:
        if aspect not in ASPECTS:
            raise ValueError(f"data.aspect (={aspect!r}) must be {' or '.join(ASPECTS)}")
        self.image_size, self.aspect, self.cache_dir, self.read = image_size, aspect, cache_dir, read
        self.regions = regions
        self._model_file: Path | None = None  # the file whose size all other files must have

    def images(self, samples: Sequence[Sample]) -> Split:
        """Decode images, and read their regions of interest.

        Raises:
            FileNotFoundError: an image has no region of interest, although others have.
            ValueError: a file is unreadable, or sizes differ.
        """
        paths = [sample.path for sample in samples]
        if self.image_size is None and paths:
            height, width, _ = self.read(paths[0]).rgb.shape
            self.image_size, self._model_file = (height, width), paths[0]
        size = self.image_size or (0, 0)
        made_with = self.aspect + ("" if self._model_file is None else "-own size")
        read_with = f"{self.read.bit_depth}-{self.read.pages}"
        image, seen = decoded(paths, size, self._read, self._fit, made_with, self.cache_dir, read_with)
        shapes = [(one.height, one.width) for one in seen]
        sizes = tuple(content_size(shape, size, self.aspect) for shape in shapes)
        roi = None if self.regions is None else self.regions.read(paths, shapes, size, self.aspect)
        return Split(tuple(samples), torch.from_numpy(image), sizes, tuple(seen), roi)

    def _read(self, path: Path) -> Read:
        found = self.read(path)
        image = found.rgb
        if self._model_file is not None and image.shape[:2] != self.image_size:
            assert self.image_size is not None
            raise ValueError(
                f"{path} has {image.shape[0]}×{image.shape[1]} pixels, {self._model_file} "
                f"{self.image_size[0]}×{self.image_size[1]}; set data.image_size to bring all images to one size"
            )
        return found

    def _fit(self, image: Array) -> Array:
        assert self.image_size is not None
        return fit(image, self.image_size, self.aspect)[0]
