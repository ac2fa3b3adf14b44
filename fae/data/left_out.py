"""What lies in a data set's folders and is not used: a user is told, because a missing part is a wrong number."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

from fae.image import Listing, all_images_in, is_hidden, listing

_SHOWN = 3
_MASKS = ("_mask", "_gt", "_label", "_labels", "_seg", "_annotation")
"""Ends of a mask's name that lies beside its image, in any case."""


def examples(paths: Collection[Path]) -> str:
    """Name up to three of some files."""
    shown = sorted(paths)[:_SHOWN]
    more = len(paths) - len(shown)
    return ", ".join(map(str, shown)) + (f" and {more} more" if more else "")


class LeftOut:
    """Collects what is left out of a data set, kind by kind.

    Args:
        root: folder of the data set, to which paths are shown.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.kinds: dict[str, list[Path]] = defaultdict(list)

    def images(self, folder: Path, beside: bool = True, known: Sequence[str] = ()) -> list[Path]:
        """Return the images of a folder, and remember the rest.

        Args:
            folder: folder of images.
            beside: whether masks beside images, such as 7_mask.png beside 7.png, are left out.
            known: names of sub-folders that are read elsewhere.

        Raises:
            FileNotFoundError: an image is a link to a missing file.
        """
        found = listing(folder)
        if dangling := [path for path in found.images if not path.exists()]:
            raise FileNotFoundError(
                f"{len(dangling)} image(s) in {folder} are links to missing files: {examples(dangling)}; fetch "
                "the files (git annex get, dvc pull), or remove the links"
            )
        self._others(found.others)
        self.around(found._replace(images=[]), known)
        masks = _beside(found.images) if beside else set()
        self.kinds["mask(s) beside their images"] += sorted(masks)
        return [path for path in found.images if path not in masks]

    def around(self, found: Listing, known: Sequence[str] = ()) -> None:
        """Remember images, and sub-folders of other names, in a folder that should hold only sub-folders."""
        self.kinds["hidden file(s) or folder(s)"] += found.hidden
        self.kinds["image(s) outside the folders that are read"] += found.images
        self.kinds["sub-folder(s)"] += [path for path in found.folders if path.name not in known]

    def _others(self, paths: Sequence[Path]) -> None:
        for path in paths:
            suffix = path.suffix.lower()
            self.kinds[f"file(s) of suffix {suffix}" if suffix else "file(s) without suffix"].append(path)

    def note(self) -> str | None:
        """Return what is left out in one sentence, or None."""
        told = []
        for kind, paths in self.kinds.items():
            if paths:
                inside = sum(_count(path) for path in paths if path.is_dir() and not is_hidden(path))
                holding = f" holding {inside} image(s)" if inside else ""
                told.append(f"{len(paths)} {kind}{holding} ({examples([self._shown(path) for path in paths])})")
        return f"left out of {self.root}: {'; '.join(told)}" if told else None

    def _shown(self, path: Path) -> Path:
        return path.relative_to(self.root) if path.is_relative_to(self.root) else path


def _count(folder: Path) -> int:
    try:
        return len(all_images_in(folder))
    except OSError:  # nobody asked to read it
        return 0


def _beside(images: Sequence[Path]) -> set[Path]:
    stems = {path.stem for path in images}
    return {
        path for path in images for end in _MASKS if path.stem.lower().endswith(end) and path.stem[: -len(end)] in stems
    }
