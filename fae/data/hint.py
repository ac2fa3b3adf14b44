from pathlib import Path

_OF_A_CATEGORY = (
    ("Data/Images", "visa"),
    ("train/ok", "btad"),
    ("train/good/rgb", "mvtec_3d"),
    ("test_public", "mvtec_ad2"),
    ("ground_truth/logical_anomalies", "loco"),
    ("[Tt]rain/[Ll]abel", "dagm"),
    ("kos[0-9][0-9]", "kolektor"),
    ("train/*_GT.png", "kolektor"),
)
"""What the folder of a category has in one published layout alone, and the key that reads it."""
_OF_ALL = (("split_csv", "visa"), ("realiad_jsons*", "realiad"))
"""What lies beside the categories."""


def hint(folder: Path) -> str:
    """Return which key reads a folder that has a published layout, as the end of a message; empty if none does.

    Args:
        folder: folder of one category, or of several.
    """
    for sign, key in (*_OF_ALL, *((f"*/{sign}", key) for sign, key in _OF_A_CATEGORY)):
        if any(folder.glob(sign)):
            return _said(key, folder, "NAME")
    for sign, key in _OF_A_CATEGORY:
        if any(folder.glob(sign)):
            return _said(key, folder.parent, folder.name)
    return ""


def _said(key: str, root: Path, category: str) -> str:
    words = f"data.root={root} category=generic category.name={category}"
    return f"; it looks like what data={key} reads: {words}, see docs/data.md"
