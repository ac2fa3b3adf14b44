"""`python -m fae.data.check`: compare a public data set on disk with the published one."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from fae.cli import command as cli
from fae.cli.check import nearest
from fae.data.compare import Compared, compare
from fae.data.crop import as_size
from fae.data.mvtec import expected
from fae.data.roi import Look, look_at
from fae.image import images_in, read_image, read_mask

INCOMPLETE = 3
"""Exit code if a category lacks images, holds surplus images or holds a bad file."""


class Count(NamedTuple):
    """The numbers of images of one folder."""

    folder: str
    """The folder's path in the category, such as `train/good`."""
    expected: int
    """The number of images in the published data set."""
    found: int
    """The number of images on disk."""


class Category(NamedTuple):
    """The result of checking one category."""

    name: str
    counts: list[Count]
    bad: str | None
    """The reason why the first bad file is bad; None if all files can be read and fit each other."""

    @property
    def absent(self) -> bool:
        """Whether the category has no image at all."""
        return not any(count.found for count in self.counts)

    @property
    def whole(self) -> bool:
        """Whether the category is as it was published."""
        return self.bad is None and all(count.found == count.expected for count in self.counts)


def check_category(root: Path, name: str, look: Look | None = None) -> Category:
    """Count the images of a category, and read all of them.

    Args:
        root: folder that contains the categories.
        name: name of one of the 15 categories.
        look: function that looks at the region of interest of an image; None if whole images count.
    """
    wanted = expected()[name]
    folder = root / name
    there = {
        str(path.relative_to(folder).as_posix()): images_in(path)
        for split in ("train", "test", "ground_truth")
        for path in (sorted((folder / split).iterdir()) if (folder / split).is_dir() else [])
        if path.is_dir()
    }
    folders = [*wanted, *sorted(there.keys() - wanted.keys())]
    counts = [Count(one, wanted.get(one, 0), len(there.get(one, ()))) for one in folders]
    return Category(name, counts, _first_bad(folder, there, look))


def _first_bad(folder: Path, there: dict[str, list[Path]], look: Look | None) -> str | None:
    """Return why the first unusable file, in the order of folders and names, cannot be used."""
    paths = [path for one in sorted(there) for path in there[one]]
    for path in tqdm(paths, desc=folder.name, unit="file", leave=False, disable=not sys.stderr.isatty()):
        split, defect_type = path.relative_to(folder).parts[:2]
        try:
            if split != "ground_truth":
                height, width = read_image(path).shape[:2]
                if look is not None:
                    look(path, (height, width))
                continue
            mask = read_mask(path)
            image = next(
                (p for p in there.get(f"test/{defect_type}", ()) if path.stem in (p.stem, f"{p.stem}_mask")), None
            )
            if image is None:
                return f"{path} is a mask without an image; remove the mask, or restore its image in test/{defect_type}"
            if read_image(image).shape[:2] != mask.shape:
                return f"{path} has another size than {image}; the sizes must be equal"
            if not mask.any():
                return f"{path} marks no pixel, but every mask of MVTec AD marks at least one"
        except (ValueError, FileNotFoundError) as error:
            return str(error)
    return None


def check(cfg: DictConfig) -> Sequence[Category | Compared]:
    """Print the numbers of images in each category, and the first bad image, mask or region of interest.

    Args:
        cfg: configuration composed from conf/check.yaml.

    Returns:
        the results of all checked categories: in the order of `categories`, or in the paper's order if it is null.

    Raises:
        ValueError: `categories` is empty or holds an unknown name.
        FileNotFoundError: `root` is not a folder, or `data.roi` names nothing.
    """
    asked = [cfg.categories] if isinstance(cfg.categories, str | int) else cfg.categories
    names = None if asked is None else [str(name) for name in asked]
    dataset = cfg.data.source._target_.rpartition(".")[2]
    size = None if cfg.data.image_size is None else as_size("data.image_size", cfg.data.image_size)
    look = look_at(cfg.data.roi, size, cfg.data.aspect)
    if dataset == "mvtec":
        return _check_mvtec(cfg.root or os.environ.get("MVTEC_AD_ROOT"), names, look)
    return compare(dataset, instantiate(cfg.data.source, _convert_="all"), cfg.root, names, look)


def _check_mvtec(folder: str | None, categories: Sequence[str] | None, look: Look | None) -> list[Category]:
    """Check MVTec AD by its folders alone, so that a category with a missing or foreign file is counted, too."""
    if folder is None or not Path(folder).is_dir():
        raise FileNotFoundError(
            f"root (={folder}) is no folder; name the folder that contains the categories of MVTec AD, or set "
            "MVTEC_AD_ROOT"
        )
    root, known = Path(folder), list(expected())
    names = known if categories is None else categories
    if not names:
        raise ValueError("categories (=[]) must name at least one category; null checks all 15")
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"categories (={unknown[0]}) is no category of MVTec AD; {nearest(unknown[0], known)}")
    results = [check_category(root, name, look) for name in names]
    Console().print(_table(root, results))
    for one in results:
        for count in one.counts:
            if not one.absent and count.found != count.expected:
                print(f"{one.name}/{count.folder}: {count.found} images, expected {count.expected}")
        if one.bad is not None:
            print(f"{one.name}: first bad file: {one.bad}")
    missing = [one.name for one in results if one.absent]
    if missing:
        print(f"no data: {', '.join(missing)}; python -m fae.data.download root=DIR fetches MVTec AD")
    return results


def _table(root: Path, results: Sequence[Category]) -> Table:
    table = Table(title=f"MVTec AD in {root}: found of expected")
    columns = ("category", "train/good", "test/good", "test, defective", "masks", "state")
    for name in columns:
        table.add_column(name, justify="left" if name in ("category", "state") else "right")
    for one in results:
        cells = [_sums([count for count in one.counts if _kind(count.folder) == kind]) for kind in columns[1:-1]]
        state = "no data" if one.absent else "whole" if one.whole else "bad file" if one.bad else "other counts"
        table.add_row(one.name, *cells, state)
    return table


def _sums(counts: Sequence[Count]) -> str:
    return f"{sum(count.found for count in counts)} of {sum(count.expected for count in counts)}"


def _kind(folder: str) -> str:
    if folder.endswith("/good"):
        return folder
    return "masks" if folder.startswith("ground_truth/") else "test, defective"


def public(task: cli.Task) -> cli.Task:
    """Wrap a task: a reader that needs the other keys of a training reads no public data set.

    Raises:
        ValueError: the configuration has such a reader.
    """

    def checked(cfg: DictConfig) -> Any:
        try:
            OmegaConf.to_container(cfg.data, resolve=True)
        except InterpolationKeyError as error:
            name = cfg.data.source._target_.rpartition(".")[2]
            raise ValueError(f"data={name} is no public data set; name one, such as data=mvtec or data=visa") from error
        return task(cfg)

    return checked


def main() -> None:
    """Entry point of `fae-check`; exit code 3 if a category is not as it was published."""
    whole = True

    def task(cfg: DictConfig) -> None:
        nonlocal whole
        whole &= all(one.whole for one in check(cfg))

    cli.run(task, "check", public)
    if not whole:
        sys.exit(INCOMPLETE)


if __name__ == "__main__":
    main()
