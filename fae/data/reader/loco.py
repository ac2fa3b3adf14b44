from pathlib import Path

from fae.data.index import Index, Sample
from fae.data.left_out import LeftOut
from fae.data.reader.official import category_folder, finished, images, normal, outlined, validated
from fae.image import images_in, listing

TYPES = ("logical_anomalies", "structural_anomalies")


def loco(root: str | None, category: str) -> Index:
    """Index a category of MVTec LOCO AD, Bergmann et al., IJCV 2022.

    Training images are those of `train/good` and `validation/good`. The mask of `test/<type>/007.png` is the union of
    the files in `ground_truth/<type>/007`, one for each defect.

    Args:
        root: folder that contains the categories.
        category: name of the category, such as pushpins.

    Raises:
        FileNotFoundError: the root, the category, a folder of the layout or a mask is missing.
        ValueError: there are fewer than three training images.
    """
    left_out = LeftOut(category_folder(root, category))
    left_out.around(listing(left_out.root), ("train", "validation", "test", "ground_truth"))
    validation = normal(left_out, "validation/good")
    train = [*normal(left_out, "train/good"), *validation]
    test = normal(left_out, "test/good")
    for kind in TYPES:
        truth = left_out.root / "ground_truth" / kind
        test += [_with_masks(image, kind, truth / image.stem) for image in images(left_out, f"test/{kind}")]
    return finished(f"loco:{category}", left_out, train, test, [validated(len(validation))])


def _with_masks(image: Path, kind: str, folder: Path) -> Sample:
    files = images_in(folder) if folder.is_dir() else []
    return outlined(image, kind, *(files or [folder / "000.png"]))
