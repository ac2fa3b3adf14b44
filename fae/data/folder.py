from pathlib import Path

from fae.data.hint import hint
from fae.data.index import LEAST, Index, Sample, layout, there
from fae.data.left_out import LeftOut

_OTHERWISE = (
    "Name the folder that holds them itself, or move them to train/good; for a folder of categories use data=mvtec "
    "category=NAME, and for any other layout list the images in a table, data=table"
)


def folder(root: str | None, category: str) -> Index:
    """Index a user's own folder, which has the MVTec AD layout or holds only normal images.

    Args:
        root: folder with the images.
        category: name of the category, which is unused: the category's settings are already in other keys.

    Raises:
        FileNotFoundError: the root is missing.
        ValueError: there are fewer than three normal images.
    """
    if root is None or not Path(root).is_dir():
        what = "not set" if root is None else "no folder"
        raise FileNotFoundError(f"data.root (={root}) is {what}; name the folder that holds your images")
    base = Path(root)
    dataset = f"folder:{base.resolve().name}"
    if (base / "train").is_dir():
        return layout(base, dataset)
    left_out = LeftOut(base)
    normal = tuple(Sample(path) for path in left_out.images(base))
    if len(normal) < LEAST:
        raise ValueError(
            f"data.root (={root}) holds {there(base)}; at least {LEAST} normal images are needed"
            f"{hint(base) or f'. {_OTHERWISE}'}"
        )
    note = f"{base} holds only normal images (no train/good): the run trains and can be used, but has no metrics"
    rest = left_out.note()
    return Index(dataset, normal, notes=(note,) if rest is None else (note, rest))
