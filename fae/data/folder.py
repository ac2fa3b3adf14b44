from pathlib import Path

from fae.data.index import Index, Sample, check_training_images, layout
from fae.image import images_in


def folder(root: str | None, category: str) -> Index:
    """Index one folder of a user's own: in the MVTec AD layout, or holding nothing but normal images.

    Args:
        root: the folder itself.
        category: unused; the settings that it stands for are already in the other keys.

    Raises:
        FileNotFoundError: the root is missing.
        ValueError: there are fewer than three normal images.
    """
    if root is None or not Path(root).is_dir():
        raise FileNotFoundError(f"data.root (={root}) is no folder; name the one that holds your images")
    base = Path(root)
    dataset = f"folder:{base.resolve().name}"
    if (base / "train").is_dir():
        return layout(base, dataset)
    normal = tuple(Sample(path) for path in images_in(base))
    check_training_images(len(normal), base)
    note = f"{base} holds only normal images (no train/good): training only, no metrics"
    return Index(dataset, normal, notes=(note,))
