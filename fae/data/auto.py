from pathlib import Path

from fae.data.index import Index
from fae.data.mvtec import mvtec
from fae.data.synthetic import synthetic


def auto(root: str | None, category: str, default_root: str, cache_dir: str, seed: int = 0) -> Index:
    """Index MVTec AD if it is found, otherwise the synthetic twin of the category; a note names the synthetic data.

    Args:
        root: the user's folder of MVTec AD; if it is given, no other data is used.
        category: name of the category.
        default_root: folder that is searched for MVTec AD if `root` is None.
        cache_dir: folder for synthetic images.
        seed: seed of the drawing, >= 0.

    Raises:
        FileNotFoundError: the user's root, or the category in it, is missing.
        ValueError: MVTec AD is not found, and the category has no synthetic twin.
    """
    if root is not None:
        return mvtec(root, category)
    if (Path(default_root) / category).is_dir():
        return mvtec(default_root, category)
    return synthetic(cache_dir, category, seed)
