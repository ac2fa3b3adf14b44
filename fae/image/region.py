"""Masks whose files outline one region each, with the area at which finding it counts as whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fae.image.mask import Outline, PixelMask
from fae.image.opened import opened


class Saturation(NamedTuple):
    """The area of a region that must be found; Bergmann et al., IJCV 2022, section 4.2."""

    threshold: float
    """A share of the region's area in (0, 1] if relative, otherwise a number of the file's pixels."""
    relative: bool

    def share(self, area: int) -> float:
        """Return the area that must be found as a share of the region's area, in (0, 1]."""
        pixels = int(self.threshold * area) if self.relative else min(self.threshold, area)
        return max(1.0, pixels) / area


@dataclass(frozen=True)
class RegionMask:
    """Files of pixels, each of which outlines one region of the defects of an image by one value."""

    outlines: tuple[Path, ...]
    """The files, one for each region."""
    saturation: Mapping[int, Saturation] = field(hash=False)
    """The rule of each value."""
    config: Path
    """The file that holds the rules."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The outlines, and the file of the rules: who changes a rule changes the data."""
        return (*self.outlines, self.config)

    def outline(self, above: float | None = None) -> Outline:
        """Join the regions, see `PixelMask.outline`; all values above 0 are defect unless a border is given."""
        return PixelMask(self.outlines, above=0).outline(above)

    def regions(self) -> list[tuple[NDArray[np.bool_], float]]:
        """Return `(H, W)` of each region that has pixels, and the share of it that must be found.

        Raises:
            ValueError: a file cannot be decoded, holds several values, or a value without a rule.
        """
        found = []
        for path in self.outlines:
            values = np.asarray(opened(path).image.convert("L"))
            several = np.unique(values[values > 0]).tolist()
            if len(several) > 1 or any(value not in self.saturation for value in several):
                raise ValueError(
                    f"mask {path} holds the values {several}, but a file outlines one region by a value that "
                    f"{self.config} lists"
                )
            if several:
                area = int((values > 0).sum())
                found.append((values > 0, self.saturation[several[0]].share(area)))
        return found
