import csv
from importlib.resources import files
from pathlib import Path

from fae.data.index import Index, layout


def mvtec(root: str | None, category: str) -> Index:
    """Index one category of a folder that contains categories, as MVTec AD is unpacked.

    Args:
        root: folder that contains the categories.
        category: name of the category's sub-folder.

    Raises:
        FileNotFoundError: the root or the category is missing, or a part of the layout, see `fae.data.index.layout`.
        ValueError: the category has fewer than three training images.
    """
    if root is None or not Path(root).is_dir():
        raise FileNotFoundError(
            f"data.root (={root}) is no folder; name the folder that contains the categories, or set MVTEC_AD_ROOT"
        )
    folder = Path(root) / category
    if not folder.is_dir():
        there = ", ".join(sorted(p.name for p in Path(root).iterdir() if p.is_dir())) or "nothing"
        raise FileNotFoundError(
            f"category {category!r} is no folder below data.root (={root}), which holds: {there}; for a folder of "
            "your own use data=folder data.root=DIR category=generic"
        )
    return layout(folder, f"mvtec:{category}")


def expected() -> dict[str, dict[str, int]]:
    """Read the numbers of images of the published data set from mvtec.csv.

    Returns:
        the number of images in each folder of each category; the categories have the paper's order.
    """
    counts: dict[str, dict[str, int]] = {}
    with (files("fae.data.reader") / "mvtec.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            counts.setdefault(row["category"], {})[row["folder"]] = int(row["images"])
    return counts
