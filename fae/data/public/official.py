"""What readers of public data sets share: the layout is taken as published, and an error names what lacks."""

from collections.abc import Sequence
from pathlib import Path

from fae.data.index import Index, Sample, check_training_images, there
from fae.data.left_out import LeftOut
from fae.data.pairs import masks_of
from fae.image import PixelMask, listing

_CHOOSE = "choose one by category=generic category.name=NAME"
_AGAIN = "unpack the archive again"


def root_folder(root: str | None, otherwise: str = "") -> Path:
    """Return the folder of a data set.

    Args:
        root: the user's `data.root`.
        otherwise: another remedy for the error message, which begins with a comma.

    Raises:
        FileNotFoundError: the root is not given or no folder.
    """
    if root is None or not Path(root).is_dir():
        raise FileNotFoundError(
            f"data.root (={root}) is no folder; name the folder that contains the categories{otherwise}"
        )
    return Path(root)


def category_folder(root: str | None, category: str, otherwise: str = "", choose: str = _CHOOSE) -> Path:
    """Return the folder of a category, which lies in the root.

    Args:
        root: the user's `data.root`.
        category: name of the category.
        otherwise: another remedy for a wrong root, see `root_folder`.
        choose: remedy for a wrong category.

    Raises:
        FileNotFoundError: the root or the category is missing.
    """
    folder = root_folder(root, otherwise) / category
    if not folder.is_dir():
        names = ", ".join(path.name for path in listing(folder.parent).folders) or "nothing"
        raise FileNotFoundError(
            f"category {category!r} is no folder below data.root (={root}), which holds: {names}; {choose}"
        )
    return folder


def unwrapped(folder: Path, inside: str) -> Path:
    """Return the folder, or its only sub-folder if the archive was packed or unpacked with one more folder around.

    Args:
        folder: folder of a category.
        inside: pattern of a name that the layout has in this folder.
    """
    inner = listing(folder).folders
    wrapped = not any(folder.glob(inside)) and len(inner) == 1 and any(inner[0].glob(inside))
    return inner[0] if wrapped else folder


def images(left_out: LeftOut, name: str, known: Sequence[str] = ()) -> list[Path]:
    """Return the images of a sub-folder that the layout must have, and that may hold folders of known names.

    Raises:
        FileNotFoundError: the folder is missing, or an image is a link to a missing file.
    """
    folder = left_out.root / name
    if not folder.is_dir():
        raise FileNotFoundError(
            f"no folder {folder}: {left_out.root} holds {there(left_out.root)}, which is not the published layout; "
            "see data.root"
        )
    return left_out.images(folder, beside=False, known=known)


def normal(left_out: LeftOut, *names: str) -> list[Sample]:
    """Return samples of the normal images of sub-folders, see `images`."""
    return [Sample(path) for name in names for path in images(left_out, name)]


def defective(left_out: LeftOut, name: str, truth: str, defect_type: str) -> list[Sample]:
    """Return samples of a sub-folder's images, each of which has one mask in another sub-folder, see `masks_of`."""
    found = images(left_out, name)
    masks = masks_of(found, left_out.root / truth, _AGAIN)
    return [outlined(image, defect_type, mask) for image, mask in zip(found, masks, strict=True)]


def outlined(image: Path, defect_type: str, *masks: Path, group: str | None = None) -> Sample:
    """Return the sample of a defective image; every value of its masks above 0 is defect.

    Raises:
        FileNotFoundError: the image or a mask is missing.
    """
    listed(image)
    for mask in masks:
        if not mask.is_file():
            raise FileNotFoundError(f"no mask for {image}: expected {mask}; {_AGAIN}")
    return Sample(image, defect_type, PixelMask(masks, above=0), group)


def listed(image: Path) -> Path:
    """Return an image that a data set's table lists.

    Raises:
        FileNotFoundError: the image is missing.
    """
    if not image.is_file():
        raise FileNotFoundError(f"no image {image}, which the data set lists; {_AGAIN}")
    return image


def table(path: Path) -> str:
    """Return the text of a data set's table.

    Raises:
        FileNotFoundError: the table is missing.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: {path.parent.name}/{path.name} lists the images; {_AGAIN}")
    return path.read_text(encoding="utf-8-sig")


def finished(
    dataset: str, left_out: LeftOut, train: Sequence[Sample], test: Sequence[Sample], notes: Sequence[str] = ()
) -> Index:
    """Return the index of samples with masks; a note tells what is left out.

    Raises:
        ValueError: there are fewer than three training images.
    """
    check_training_images(len(train), left_out.root)
    rest = left_out.note()
    return Index(dataset, tuple(train), tuple(test), True, (*notes, *([] if rest is None else [rest])))


def validated(count: int) -> str:
    """Return the note that a layout's validation images are used to train."""
    return (
        f"{count} validation image(s) of the published layout join the training images, from which data.val_fraction "
        "or data.folds holds out its own"
    )
