"""Which mask belongs to which image."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from fae.data.left_out import examples
from fae.image import images_in

WITHOUT = "remove the whole ground_truth folder to get image metrics only"


def masks_of(images: Sequence[Path], folder: Path, otherwise: str = WITHOUT) -> list[Path]:
    """Find the mask of each image by its name: `<name>_mask`, or `<name>`, with any suffix.

    A name with the same case comes before another one, and of masks with one name that with the image's suffix is
    taken. Each mask belongs to one image.

    Args:
        images: paths of defective images.
        folder: folder with their masks.
        otherwise: what to do if a mask is missing and cannot be added, for the error message.

    Raises:
        FileNotFoundError: an image has no mask.
        ValueError: names leave open which mask belongs to which image, or a mask belongs to no image.
    """
    names = Names(folder)
    found: dict[Path, Path] = {}
    for image in images:
        mask = names.of(image)
        if mask is None:
            raise FileNotFoundError(
                f"no mask for {image}: expected {folder / (image.stem + '_mask.png')}; add this mask, or {otherwise}"
            )
        if mask in found:
            raise ValueError(
                f"{mask} is the mask of both {found[mask].name} and {image.name}, by its name; rename it, so that each "
                "image has a mask <name>_mask of its own"
            )
        found[mask] = image
    if alone := [one for one in names.masks if one not in found]:
        raise ValueError(
            f"{len(alone)} mask(s) belong to no image of {images[0].parent if images else folder.name}: "
            f"{examples(alone)}; each image has one mask, <name>_mask or <name>: rename, join or remove the others"
        )
    return list(found)


class Names:
    """The masks of a folder by their names; a folder that is missing holds none."""

    def __init__(self, folder: Path) -> None:
        self.masks = images_in(folder) if folder.is_dir() else []
        self._exact, self._folded = defaultdict(list), defaultdict(list)
        for one in self.masks:
            self._exact[one.stem].append(one)
            self._folded[one.stem.lower()].append(one)

    def of(self, image: Path) -> Path | None:
        """Return the mask of an image, see `masks_of`; None if there is none.

        Raises:
            ValueError: several masks differ by case or suffix alone.
        """
        stems = (f"{image.stem}_mask", image.stem)
        for names, key in ((self._exact, str), (self._folded, str.lower)):
            for stem in stems:
                some = names.get(key(stem), [])
                same = [mask for mask in some if mask.suffix.lower() == image.suffix.lower()]
                if len(some) > 1 and len(same) != 1:
                    raise ValueError(
                        f"{image} has several masks, {examples(some)}, which differ by case or suffix alone; keep one"
                    )
                if some:
                    return same[0] if len(some) > 1 else some[0]
        return None
