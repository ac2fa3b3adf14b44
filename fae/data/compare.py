"""What a reader finds on disk, compared with the published counts, and read file by file."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from fae.cli.check import nearest
from fae.data.index import Index, Sample, Source
from fae.data.public.counts import PARTS, Official, counts
from fae.data.roi import Look
from fae.image import read_image

_SHOWN = [part for part in PARTS if part != "normal"]


class Compared(NamedTuple):
    """The result of checking one category."""

    name: str
    found: dict[str, int]
    """The number of images of each part, see `fae.data.public.counts`; empty if the reader fails."""
    official: Official
    notes: tuple[str, ...] = ()
    """What the reader says of the files."""
    bad: str | None = None
    """Why the reader fails, or why the first bad file is bad."""

    @property
    def differing(self) -> list[str]:
        """The parts whose number of images is not the published one."""
        return [part for part, right in self.official.items() if self.found.get(part, 0) not in right]

    @property
    def whole(self) -> bool:
        """Whether every file is good, and every part that has a published count has it."""
        return self.bad is None and not self.differing

    @property
    def state(self) -> str:
        """The result in a few words."""
        if self.bad is not None:
            return "bad file" if self.found else "not read"
        if self.differing:
            return "other counts"
        return "whole" if self.official else "no official count"


def compare(
    dataset: str, source: Source, root: str | None, categories: Sequence[str] | None, look: Look | None
) -> list[Compared]:
    """Index categories, count and read all of their images and masks, and print the result.

    Args:
        dataset: name of the data set's reader, such as visa.
        source: the reader.
        root: folder of the data set.
        categories: names of the categories; None checks all that have been published.
        look: function that looks at the region of interest of an image; None if whole images count.

    Raises:
        ValueError: `categories` is empty or None and no category is known, or one of its names is unknown.
        FileNotFoundError: `root` is not a folder.
    """
    if root is None or not Path(root).is_dir():
        raise FileNotFoundError(f"root (={root}) is no folder; name the folder that data.root names for data={dataset}")
    official = counts(dataset)
    names = list(official) if categories is None else list(categories)
    if not names:
        raise ValueError(f"categories (={categories}) must name at least one category of data={dataset}")
    if official and (unknown := [name for name in names if name not in official]):
        raise ValueError(f"categories (={unknown[0]}) is no category of {dataset}; {nearest(unknown[0], official)}")
    results = [_compared(name, source, root, official.get(name, {}), look) for name in names]
    Console().print(_table(f"{dataset} in {root}", results))
    for one in results:
        for note in one.notes:
            print(f"{one.name}: NOTE: {note}")
        for part in one.differing if one.found else ():
            print(f"{one.name}/{part}: {one.found.get(part, 0)} images, expected {_either(one.official[part])}")
        if one.bad is not None:
            print(f"{one.name}: {'first bad file: ' if one.found else ''}{one.bad}")
    return results


def _compared(name: str, source: Source, root: str, official: Official, look: Look | None) -> Compared:
    try:
        index = source(root, name)
    except (ValueError, FileNotFoundError) as error:
        return Compared(name, {}, official, bad=str(error))
    return Compared(name, _found(index), official, index.notes, _first_bad(name, index.all, look))


def _found(index: Index) -> dict[str, int]:
    good = sum(1 - sample.label for sample in index.test)
    types = Counter(f"test/{sample.defect_type}" for sample in index.test)
    masks = sum(sample.mask is not None for sample in index.test)
    parts = (len(index.train), good, len(index.train) + good, len(index.test) - good, masks)
    return dict(sorted(types.items())) | dict(zip(PARTS, parts, strict=True))


def _first_bad(name: str, samples: Sequence[Sample], look: Look | None) -> str | None:
    """Return why the first unusable file cannot be used."""
    for sample in tqdm(samples, desc=name, unit="file", leave=False, disable=not sys.stderr.isatty()):
        try:
            height, width = read_image(sample.path).shape[:2]
            if look is not None:
                look(sample.path, (height, width))
            if sample.mask is None:
                continue
            mask = sample.mask.outline().defect
        except (ValueError, FileNotFoundError) as error:
            return str(error)
        if mask.shape != (height, width):
            return (
                f"{sample.mask_files[0]} has {mask.shape[0]}×{mask.shape[1]} pixels, {sample.path} {height}×{width}; "
                "the sizes must be equal"
            )
    return None


def _table(title: str, results: Sequence[Compared]) -> Table:
    table = Table(title=f"{title}: found of expected")
    for column in ("category", *_SHOWN, "test, by defect type", "state"):
        table.add_column(column, justify="right" if column in _SHOWN else "left")
    for one in results:
        cells = [_cell(one.found.get(part, 0), one.official.get(part)) for part in _SHOWN]
        types = [part for part in one.found if part not in PARTS]
        named = (f"{part.removeprefix('test/')} {_cell(one.found[part], one.official.get(part))}" for part in types)
        table.add_row(one.name, *cells, ", ".join(named), one.state)
    return table


def _cell(found: int, official: tuple[int, ...] | None) -> str:
    return f"{found}" if official is None else f"{found} of {_either(official)}"


def _either(official: tuple[int, ...]) -> str:
    return " or ".join(map(str, official))
