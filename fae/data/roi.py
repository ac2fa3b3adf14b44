"""Regions of interest: which pixels of an image are judged; what lies outside counts nowhere."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fae.data.decoded import Shape
from fae.data.fit import content_size, fit_mask
from fae.data.pairs import Names
from fae.image import read_mask
from fae.image.opened import opened

Region = NDArray[np.bool_]


class Regions:
    """Finds and reads the regions of interest of images; values above 0 are judged.

    A mask has the size of its image or that of the run. In a folder of masks, the mask of `…/a/b/x.png` is
    `a/b/x_mask.<suffix>` or `a/b/x.<suffix>`, or that name in the folder `b`, or in the folder itself; the place that
    repeats most of the image's path comes first. Each mask in a folder belongs to one image.

    Args:
        path: mask that all images share, or folder that holds a mask for each image.

    Raises:
        FileNotFoundError: there is neither such a file nor such a folder.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise FileNotFoundError(
                f"data.roi (={path}) is neither a mask nor a folder of masks; name one, or null to judge whole images"
            )
        self.path, self.shared = path, path.is_file()
        self.common: Region | None = None
        """The shared region at the size of the run, once images have been read; None in a folder of masks."""
        self._names: dict[Path, Names] = {}
        self._image_of: dict[Path, Path] = {}

    def file_of(self, image: Path) -> Path:
        """Return the mask of an image.

        Raises:
            FileNotFoundError: the folder holds no mask of this image.
            ValueError: the mask is the image itself, it is another image's, too, or it is one of several.
        """
        mask = self.path if self.shared else self._found(image)
        if mask.name == image.name and mask.samefile(image):
            raise ValueError(
                f"data.roi (={self.path}) makes {mask} a region of interest, but it is an image of the data set; keep "
                "masks apart from the images"
            )
        other = self._image_of.setdefault(mask, image)
        if other != image and not self.shared:
            raise ValueError(
                f"{mask} is the region of interest of both {other} and {image}, by its name; repeat the images' "
                f"folders below data.roi (={self.path}), so that each image has a mask of its own"
            )
        return mask

    def _found(self, image: Path) -> Path:
        folders = image.absolute().parent.parts[1:]
        for i in range(len(folders) + 1):
            place = self.path.joinpath(*folders[i:])
            if place not in self._names:
                self._names[place] = Names(place)
            if (mask := self._names[place].of(image)) is not None:
                return mask
        raise FileNotFoundError(
            f"data.roi (={self.path}) holds no region of interest of {image}: expected "
            f"{self.path / image.parent.name / image.stem}_mask.png; add it, or name one mask for all images"
        )

    def read(self, paths: Sequence[Path], shapes: Sequence[Shape], size: Shape, aspect: str) -> Tensor:
        """Read the regions of interest of N images, and bring them to one size in the way of `fae.data.fit.fit`.

        Args:
            paths: the images.
            shapes: `(height, width)` of each image, in pixels.
            size: `(height, width)` of the result, in pixels.
            aspect: treatment of the aspect ratio, "stretch" or "pad".

        Returns:
            `(N, 1, *size)` bool, False beyond an image's content; one region that all images share is stored once.

        Raises:
            FileNotFoundError: an image has no mask.
            ValueError: a mask is unreadable, empty, or has another size than its image and the run.
        """
        rows = list(zip([self.file_of(path) for path in paths], paths, shapes, strict=True))
        if self.shared and len(set(shapes)) == 1:
            rows = rows[:1]
        shared = read_region(self.path) if self.shared and rows else None
        found = np.zeros((len(rows), *size), np.bool_)
        for one, (file, path, shape) in zip(found, rows, strict=True):
            region = read_region(file) if shared is None else shared
            if region.shape == shape:
                one[:] = fit_mask(region, size, aspect)
            elif region.shape == size:
                height, width = content_size(shape, size, aspect)
                one[:height, :width] = region[:height, :width]
            else:
                raise ValueError(
                    f"region of interest {file} has {region.shape[0]}×{region.shape[1]} pixels, {path} {shape[0]}×"
                    f"{shape[1]} and the run {size[0]}×{size[1]}; draw it at the size of the images, or of the run"
                )
            if not one.any():
                raise ValueError(f"region of interest {file} marks no pixel of {path}, only padding; draw it anew")
        if self.shared and rows:
            self.common = np.logical_or.reduce([*found, *([] if self.common is None else [self.common])])
        return torch.from_numpy(found).unsqueeze(1).expand(len(paths), 1, *size)


Look = Callable[[Path, Shape], object]
"""A function that looks at the region of interest of an image with a `(height, width)`, and raises what is wrong."""


def look_at(roi: str | None, size: Shape | None, aspect: str) -> Look | None:
    """Return a function that looks at the regions of images; None if there are none.

    Args:
        roi: mask or folder of masks, see `Regions`; None if whole images count.
        size: `(height, width)` of a run in pixels; None takes that of each image.
        aspect: treatment of the aspect ratio, "stretch" or "pad".

    Raises:
        FileNotFoundError: there is no such file or folder.
    """
    if roi is None:
        return None
    regions = Regions(Path(roi))
    return lambda path, shape: regions.read([path], [shape], size or shape, aspect)


def read_region(file: Path) -> Region:
    """Decode a region of interest to bool `(H, W)`, True where a value lies above 0.

    Raises:
        ValueError: the file is no image, is stored with losses, or marks no pixel.
    """
    if opened(file).lossy:
        raise ValueError(f"region of interest {file} is stored with losses, which change the values 0; save it as PNG")
    region = read_mask(file, above=0)
    if not region.any():
        raise ValueError(f"region of interest {file} marks no pixel; values above 0 are judged, so mark some")
    return region
