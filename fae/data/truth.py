"""The ground truth of a split: its masks at the common size, and what a user must know of them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fae.data.decoded import Shape
from fae.data.fit import fit_mask
from fae.data.split import Split
from fae.image import CocoMask, Outline, RegionMask, is_turned

_MOST = 0.5


class Note(NamedTuple):
    """What a user must know of some files."""

    text: str
    """The text, in which {} stands for the number of files."""
    files: tuple[Path, ...]


class Region(NamedTuple):
    """One region of a defect that a layout outlines by itself."""

    sample: int
    """The index of the sample."""
    pixels: NDArray[np.int64]
    """`(A,)` indices of its pixels in the flat image."""
    saturation: float
    """The number of these pixels that must be found, in (0, A]."""


class Truth(NamedTuple):
    """The ground truth of a split, in the order of its samples."""

    mask: Tensor
    """`(N, 1, H, W)` bool masks, True on defects as far as they lie in the region of interest."""
    usable: Tensor
    """`(N,)` bool: whether the pixels of each image may be judged."""
    notes: tuple[Note, ...]
    regions: tuple[Region, ...]
    """The regions that the layout outlines by themselves; none in most layouts."""
    outside: tuple[Path, ...] = ()
    """The images whose defects lie outside the region of interest: nothing tells whether they are good or defective."""


def read_truth(split: Split, has_masks: bool, size: Shape, aspect: str, above: float | None) -> Truth:
    """Decode the masks of a split.

    Args:
        split: split whose images are decoded.
        has_masks: whether the data set has masks at all.
        size: `(height, width)` of the images, in pixels.
        aspect: treatment of the aspect ratio, "stretch" or "pad", see `fae.data.fit.fit_mask`.
        above: border between background and defect as a share of full scale, see `fae.image.mask.outline`.

    Raises:
        ValueError: a mask is unreadable, has no clear meaning, or has another size than its image.
    """
    mask = np.zeros((len(split.samples), *size), np.bool_)
    told, regions, outside = _Told(), [], []
    judged = None if split.roi is None else split.roi.squeeze(1).numpy()
    for i, (one, sample, shape) in enumerate(zip(mask, split.samples, split.shapes, strict=True)):
        if sample.mask is not None:
            name = sample.mask.files[0]
            found, turned = sample.mask.outline(above), is_turned(sample.path)
            if found.defect.shape != shape:
                height, width = found.defect.shape
                cause = ""
                if bool(found.turned) != turned and (width, height) == shape:
                    cause = "; EXIF data turn one of the two files alone: turn both, or neither"
                raise ValueError(
                    f"mask {name} has {height}×{width} pixels, its image {sample.path} {shape[0]}×{shape[1]}; "
                    f"the sizes must be equal{cause}"
                )
            # One COCO file outlines many images, so that its name tells nothing.
            told.add(sample.path if isinstance(sample.mask, CocoMask) else name, found, turned)
            inside = True if judged is None else judged[i]
            one[:] = fit_mask(found.defect, size, aspect) & inside
            if found.defect.any() and not one.any():
                outside.append(sample.path)
            if isinstance(sample.mask, RegionMask):
                for region, share in sample.mask.regions():
                    if len(pixels := np.flatnonzero(fit_mask(region, size, aspect) & inside)):
                        regions.append(Region(i, pixels, share * len(pixels)))
    usable = [
        has_masks and (sample.label == 0 or bool(one.any())) for one, sample in zip(mask, split.samples, strict=True)
    ]
    return Truth(
        torch.from_numpy(mask).unsqueeze(1),
        torch.tensor(usable, dtype=torch.bool),
        told.notes(),
        tuple(regions),
        tuple(outside),
    )


class _Told:
    """Masks that can be read in more than one way."""

    def __init__(self) -> None:
        self.files: dict[str, list[Path]] = {name: [] for name in ("empty", "scaled", "grey", "turned", "inverted")}
        self.between: NDArray[np.int64] = np.zeros(2, np.int64)

    def add(self, path: Path, found: Outline, turned: bool) -> None:
        """Look at one mask, whose image EXIF data turned or not."""
        tells = {
            "empty": not found.defect.any(),
            "scaled": found.scaled,
            "grey": any(found.between),
            "turned": found.turned not in (None, turned),
            "inverted": found.defect.mean() > _MOST,
        }
        for name, files in self.files.items():
            if tells[name]:
                files.append(path)
        self.between += found.between

    def notes(self) -> tuple[Note, ...]:
        """Return a note for each kind of mask that occurred."""
        on, off = self.between
        texts = {
            "empty": "{} mask(s) have no defect pixel: their images keep the label and stay out of the pixel metrics",
            "scaled": "{} mask(s) hold two values of which the larger is not full scale: it is taken for the defect",
            "grey": f"{{}} mask(s) hold values between background and full scale: {on} such pixels count as defect, "
            f"{off} as background; data.mask_above moves the border",
            "turned": "{} mask(s) and their images are turned differently by EXIF data: look at most_wrong.png, and "
            "turn the files if outlines lie beside the defects",
            "inverted": "{} mask(s) mark more than half of their image: are they inverted?",
        }
        return tuple(Note(texts[name], tuple(files)) for name, files in self.files.items() if files)
