"""Test images that training knows in a sense: they show a part that training images show, too."""

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fae.data.split import Split
from fae.data.truth import Note
from fae.data.twins import twins


class Known(NamedTuple):
    """Which test images are known, and what a user must know of that."""

    test: NDArray[np.bool_]
    """`(N,)`, True where a test image shows a part that is in training."""
    notes: tuple[Note, ...]


def known_parts(train: Split, val: Split, test: Split, copied: Collection[Path], share: float | None) -> Known:
    """Find test images that show parts of training or held-out images.

    Where any image has a group, the groups decide; elsewhere the images that look alike are found, see
    `fae.data.twins`.

    Args:
        train: images to learn from.
        val: held-out images.
        test: test images.
        copied: paths of the test images that are copies of training or held-out images.
        share: largest share of bits in which hashes of one part differ, in [0, 1]; None looks for none.
    """
    equal = np.array([sample.path in copied for sample in test.samples], np.bool_)
    learned = (*train.samples, *val.samples)
    if any(sample.group is not None for sample in (*learned, *test.samples)):
        groups = {sample.group for sample in learned} - {None}
        found = np.array([sample.group in groups for sample in test.samples], np.bool_)
        text = (
            "{} test image(s) show parts that training or held-out images show, so that the metrics look better than "
            "they are; the metrics whose names end in _apart leave them out"
        )
        return Known(found | equal, _notes((text, test, found)))
    if share is None:
        return Known(equal, ())
    hashes = [[one.phash for one in split.seen] for split in (train, val, test)]
    alike = twins(hashes[2], hashes[0] + hashes[1], share)
    text = (
        "{} test image(s) look like training or held-out images. If they show the same parts, the metrics look better "
        "than they are, and the metrics whose names end in _apart leave them out; data.group tells which images show "
        "one part, and data.twins=null looks for none"
    )
    calm = (
        "{} held-out image(s) look like images to learn from. If they show the same parts, thresholds are too low; "
        "data.group keeps all images of a part on one side"
    )
    held_out = twins(hashes[1], hashes[0], share)
    return Known(alike | equal, _notes((text, test, alike & ~equal), (calm, val, held_out)))


def _notes(*told: tuple[str, Split, NDArray[np.bool_]]) -> tuple[Note, ...]:
    return tuple(
        Note(text, tuple(sample.path for sample, one in zip(split.samples, which, strict=True) if one))
        for text, split, which in told
        if which.any()
    )
