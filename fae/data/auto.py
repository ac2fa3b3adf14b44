from pathlib import Path

from fae.data.index import Index
from fae.data.mvtec import mvtec
from fae.data.synthetic import synthetic


def auto(root: str | None, category: str, default_root: str, cache_dir: str, seed: int = 0) -> Index:
    """MVTec AD where it is found, otherwise the synthetic twin, which is said in a note.

    Args:
        root: where the user says that MVTec AD lies; then nothing else will do.
        category: name of the category.
        default_root: where MVTec AD is looked for when the user says nothing.
        cache_dir: where synthetic images are drawn.
        seed: of the drawing.

    Raises:
        FileNotFoundError: the user's root, or the category in it, is missing.
        ValueError: MVTec AD is not found and the category has no synthetic twin.
    """
    if root is not None:
        return mvtec(root, category)
    if (Path(default_root) / category).is_dir():
        return mvtec(default_root, category)
    return synthetic(cache_dir, category, seed)
