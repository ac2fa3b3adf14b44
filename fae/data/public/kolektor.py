from pathlib import Path

from fae.data.index import Index, Sample
from fae.data.left_out import LeftOut
from fae.data.public.official import category_folder, finished, images, outlined, unwrapped
from fae.image import listing, read_mask

TYPE = "defect"
EVERY = 3
"""Of KolektorSDD's items, every third one is for testing, as one of the three published folds is."""


def kolektor(root: str | None, category: str) -> Index:
    """Index KolektorSDD, Tabernik et al. 2020, or KolektorSDD2, Božič et al. 2021; the defect type is called `defect`.

    In both sets every image has a mask, and an image is normal if its mask is black. Only here a reader must therefore
    decode masks. KolektorSDD2 has a division: its defective training images are left out.

    KolektorSDD is published with three folds for supervised training, which one-class training cannot use as they are:
    nearly every item has a defect. So all defective images are test images; normal images are test images where the
    item's number is divisible by three, and training images elsewhere. The normal images of an item stay together, and
    `Sample.group` is the item; but a defective test image may show another surface of an item whose normal images are
    trained on.

    Args:
        root: folder that contains `sdd` with `kos01` to `kos50`, or `sdd2` with `train` and `test`.
        category: sdd or sdd2.

    Raises:
        FileNotFoundError: the root, the category, a folder of the layout or a mask is missing.
        ValueError: the category is unknown, a mask cannot be read, or there are fewer than three training images.
    """
    if category not in ("sdd", "sdd2"):
        raise ValueError(
            f"category (={category}) must be sdd (KolektorSDD) or sdd2 (KolektorSDD2): category=generic "
            "category.name=sdd"
        )
    folder = category_folder(root, category)
    return _first(folder) if category == "sdd" else _second(folder)


def _first(folder: Path) -> Index:
    left_out = LeftOut(unwrapped(folder, "kos[0-9][0-9]"))
    items = sorted(left_out.root.glob("kos[0-9][0-9]"))
    left_out.around(listing(left_out.root), [item.name for item in items])
    train: list[Sample] = []
    test: list[Sample] = []
    for item in items:
        for sample in _samples(left_out, item.name, "_label", ".bmp", item.name):
            held = sample.label or int(item.name.removeprefix("kos")) % EVERY == 0
            (test if held else train).append(sample)
    note = (
        "KolektorSDD has no division for one-class training: normal images of every third item and all defective ones "
        "are test images, so figures compare with those of other divisions only roughly"
    )
    return finished("kolektor:sdd", left_out, train, test, [note])


def _second(folder: Path) -> Index:
    left_out = LeftOut(unwrapped(folder, "train"))
    left_out.around(listing(left_out.root), ("train", "test"))
    train = _samples(left_out, "train", "_GT", ".png")
    left_out.kinds["defective training image(s)"] += [sample.path for sample in train if sample.label]
    normal = [sample for sample in train if not sample.label]
    return finished("kolektor:sdd2", left_out, normal, _samples(left_out, "test", "_GT", ".png"))


def _samples(left_out: LeftOut, name: str, end: str, suffix: str, group: str | None = None) -> list[Sample]:
    """Return the samples of a folder, in which masks lie beside their images."""
    samples = []
    for image in images(left_out, name):
        if "(copy)" in image.stem:  # KolektorSDD2's archive holds an image and its mask twice
            left_out.kinds["copies"].append(image)
        elif not image.stem.endswith(end):
            mask = image.with_name(f"{image.stem}{end}{suffix}")
            sample = outlined(image, TYPE, mask, group=group)
            samples.append(sample if read_mask(mask, above=0).any() else Sample(image, group=group))
    return samples
