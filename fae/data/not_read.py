from collections.abc import Sequence

from fae.data.split import Split
from fae.data.truth import Note
from fae.image import FULL_16, depth_of


def not_read(splits: Sequence[Split], bit_depth: int | None) -> list[Note]:
    """Return notes about what files hold and images do not: further pages, and the levels of a camera of few bits.

    Args:
        splits: decoded images.
        bit_depth: number of bits that the user gave for files of 16 bits; None if the user gave none.
    """
    pairs = [pair for split in splits for pair in zip(split.samples, split.seen, strict=True)]
    notes = []
    if further := tuple(sample.path for sample, one in pairs if one.pages > 1):
        notes.append(Note("{} file(s) hold further pages, which are left out", further))
    largest = max((one.peak for _, one in pairs), default=0)
    if bit_depth is None and (depth := depth_of(largest)) is not None:
        text = (
            f"{{}} file(s) of 16 bits hold values up to {largest} of {FULL_16}, which looks like {depth} bits: the "
            f"images are dark and lose levels; data.bit_depth={depth} reads them at their full scale"
        )
        notes.append(Note(text, tuple(sample.path for sample, one in pairs if one.peak)))
    return notes
