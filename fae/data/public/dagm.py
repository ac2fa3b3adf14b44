from pathlib import Path

from fae.data.index import Index, Sample
from fae.data.left_out import LeftOut
from fae.data.public.official import category_folder, finished, images, outlined, table, unwrapped
from fae.image import listing

TYPE = "defect"


def dagm(root: str | None, category: str) -> Index:
    """Index a class of DAGM 2007, Wieler et al.; the defect type is called `defect`.

    `Train` and `Test` each hold images and a folder `Label` with masks, coarse ellipses around the defects, and with
    `Labels.txt`, which says what is defective. Defective training images are left out.

    Args:
        root: folder that contains the classes; each may lie in a folder of its own name, as in copies of the set.
        category: name of the class, Class1 to Class10.

    Raises:
        FileNotFoundError: the root, the class, a folder of the layout, `Labels.txt` or a mask is missing.
        ValueError: `Labels.txt` and the images differ, or there are fewer than three training images.
    """
    left_out = LeftOut(unwrapped(category_folder(root, category), "Train"))
    left_out.around(listing(left_out.root), ("Train", "Test"))
    train, test = _samples(left_out, "Train"), _samples(left_out, "Test")
    left_out.kinds["defective training image(s)"] += [sample.path for sample in train if sample.label]
    return finished(f"dagm:{category}", left_out, [sample for sample in train if not sample.label], test)


def _samples(left_out: LeftOut, name: str) -> list[Sample]:
    labels = left_out.root / name / "Label"
    masks = _masks(labels / "Labels.txt")
    found = {path.stem: path for path in images(left_out, name, ("Label",))}
    if differ := found.keys() ^ masks.keys():
        one = min(differ)
        where = "is no image" if one in masks else "is not listed"
        raise ValueError(f"{labels / 'Labels.txt'} and {name} differ: {one} {where}; unpack the archive again")
    return [
        Sample(image) if masks[stem] is None else outlined(image, TYPE, labels / str(masks[stem]))
        for stem, image in found.items()
    ]


def _masks(path: Path) -> dict[str, str | None]:
    """Return the name of each image's mask, None for a normal image, from lines `number flag image flag mask`."""
    masks: dict[str, str | None] = {}
    for number, line in enumerate(table(path).splitlines()):
        words = line.split()
        if len(words) == 5:
            masks[Path(words[2]).stem] = None if words[-1] == "0" else words[-1]
        elif words and number > 0:  # the first line holds one number
            raise ValueError(f"{path} has {len(words)} columns in line {number + 1}, not 5")
    return masks
