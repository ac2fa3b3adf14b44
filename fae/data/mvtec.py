import csv
from importlib.resources import files

from fae.data.index import Index, layout
from fae.data.public.official import category_folder


def mvtec(root: str | None, category: str) -> Index:
    """Index one category of a folder that contains categories, as MVTec AD is unpacked.

    Args:
        root: folder that contains the categories.
        category: name of the category's sub-folder.

    Raises:
        FileNotFoundError: the root or the category is missing, or a part of the layout, see `fae.data.index.layout`.
        ValueError: the category has fewer than three training images.
    """
    own = "for a folder of your own use data=folder data.root=DIR category=generic"
    return layout(category_folder(root, category, ", or set MVTEC_AD_ROOT", own), f"mvtec:{category}")


def expected() -> dict[str, dict[str, int]]:
    """Read the numbers of images of the published data set from mvtec.csv.

    Returns:
        the number of images in each folder of each category; the categories have the paper's order.
    """
    counts: dict[str, dict[str, int]] = {}
    with (files("fae.data") / "mvtec.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            counts.setdefault(row["category"], {})[row["folder"]] = int(row["images"])
    return counts
