from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from pathlib import Path

import torch

from fae.data.copies import copies
from fae.data.index import Sample
from fae.data.seed import SPLIT, generator


class HoldOut:
    """Split training images into images to learn from and held-out images, as a function of a seed.

    Images of one group stay together.

    Args:
        fraction: share of the images that is held out, in (0, 1); at least two images are held out, but never all.
        folds: number of equal parts, >= 2, of which one is held out; None uses `fraction`.
        fold: index of the held-out part, from 0 to `folds` - 1; 0 if `folds` is None.

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
                f"data.fold (={fold}) must lie in 0 to data.folds - 1, and data.folds (={folds}) must be 2 or more"
            )
        self.fraction, self.folds, self.fold = fraction, folds, fold

    @property
    def share(self) -> float:
        """The approximate share of the training images that is held out, in (0, 1)."""
        return 1 / self.folds if self.folds else self.fraction

    def __call__(
        self, samples: Sequence[Sample], seed: int, extra: Sequence[int] = ()
    ) -> tuple[list[Sample], list[Sample], list[Path]]:
        """Split training images.

        Args:
            samples: samples of the training images.
            seed: seed of the drawing, >= 0.
            extra: number of images of each further folder, which end `samples`. Each folder is split on its own, so
                that it does not change what is held out of the folders before; a group follows its first image.

        Returns:
            the images to learn from, the held-out images, and the files that belong to neither group, because they are
            copies of held-out images, or of images of a folder before theirs.

        Raises:
            ValueError: there are too few images for the folds, or only copies of held-out images are left to learn
                from.
        """
        ends = list(accumulate((len(samples) - sum(extra), *extra)))
        paths = [sample.path for sample in samples]
        # A copy of an image that is learned from must not be held out, and one of a held-out image not learned from.
        again = {path for first, last in pairwise(ends) for path in copies(paths[:first], paths[first:last])}
        parts = [[i for i in range(first, last) if paths[i] not in again] for first, last in pairwise([0, *ends])]
        units = [_drawn(_units(samples, part), seed) for part in parts]
        self._check(units[0], ends[0])
        chosen: set[int] = set()
        sides: dict[str | None, bool] = {}  # whether a group is held out
        for part in units:
            new = [unit for unit in part if samples[unit[0]].group not in sides]
            chosen |= set(self._first(new) if self.folds is None else self._part(new))
            chosen |= {i for unit in part for i in unit if sides.get(samples[i].group)}
            sides |= {name: unit[0] in chosen for unit in part if (name := samples[unit[0]].group) is not None}
        val = [sample for i, sample in enumerate(samples) if i in chosen]
        train = [sample for i, sample in enumerate(samples) if i not in chosen and sample.path not in again]
        twins = set(copies([sample.path for sample in val], [sample.path for sample in train]))
        kept = [sample for sample in train if sample.path not in twins]
        if not kept:
            raise ValueError(
                f"all {len(train)} training images equal held-out images ({val[0].path} …); remove the copies"
            )
        return kept, val, sorted(twins | again)

    def _first(self, units: Sequence[Sequence[int]]) -> list[int]:
        count = sum(map(len, units))
        wanted = min(count - 1, max(2, round(self.fraction * count)))
        chosen: list[int] = []
        for unit in units[:-1]:
            if len(chosen) < wanted:
                chosen += unit
        return chosen

    def _part(self, units: Sequence[Sequence[int]]) -> list[int]:
        return [i for unit in units[self.fold :: self.folds] for i in unit]

    def _check(self, units: Sequence[Sequence[int]], count: int) -> None:
        """Check that images can be split.

        Raises:
            ValueError: there are too few groups or images.
        """
        if self.folds is None:
            if len(units) < 2:
                raise ValueError(
                    f"data.group puts all {count} training images into one group; one group is held out and another "
                    "one learned from, so name at least two"
                )
        elif count < 2 * self.folds or len(self._part(units)) < 2:
            most = max(2, min(count // 2, len(units)))
            what = f"{count} images" if len(units) == count else f"{count} images of {len(units)} groups"
            raise ValueError(
                f"data.folds (={self.folds}) needs two images per part, but there are {what}; use {most} or fewer"
            )


def _units(samples: Sequence[Sample], which: Iterable[int]) -> list[list[int]]:
    """Return what cannot be split: the images of each group, and each image without a group alone."""
    units: dict[object, list[int]] = {}
    for i in which:
        group = samples[i].group
        units.setdefault(i if group is None else group, []).append(i)
    return list(units.values())


def _drawn(units: Sequence[list[int]], seed: int) -> list[list[int]]:
    return [units[i] for i in torch.randperm(len(units), generator=generator(seed, SPLIT)).tolist()]
