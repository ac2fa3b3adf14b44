"""Further normal images from folders of their own, beside those of a data set."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fae.data.index import Index, Sample, there
from fae.data.left_out import LeftOut, examples


def with_extra(index: Index, extra: str | Sequence[str] | None) -> Index:
    """Add folders of normal images to the training images of a data set.

    Args:
        index: index of the data set.
        extra: folder, or several of them, whose images lie in it directly; None adds nothing.

    Raises:
        FileNotFoundError: a folder is missing.
        ValueError: a folder holds no image, or images that are used already.
    """
    samples, notes, counts = list(index.train), list(index.notes), []
    used = {sample.path.absolute() for sample in index.all}
    for name in [extra] if isinstance(extra, str) else extra or ():
        folder = Path(name)
        if not folder.is_dir():
            raise FileNotFoundError(f"data.extra (={folder}) is no folder; name one that holds normal images")
        left_out = LeftOut(folder)
        images = left_out.images(folder)
        if not images:
            raise ValueError(
                f"data.extra (={folder}) holds {there(folder)}; name the folder itself that holds normal images"
            )
        if again := [path for path in images if path.absolute() in used]:
            raise ValueError(
                f"data.extra (={folder}) holds {len(again)} image(s) that data.root, or another folder of data.extra, "
                f"holds already: {examples(again)}; name each folder once, and move images out of the test set before "
                "you learn from them"
            )
        used |= {path.absolute() for path in images}
        samples += [Sample(path) for path in images]
        counts.append(len(images))
        if (rest := left_out.note()) is not None:
            notes.append(rest)
    return replace(index, train=tuple(samples), notes=tuple(notes), extra=tuple(counts))
