import hashlib
import os
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from fae.data.index import Index
from fae.data.memo import Memo, of_bytes
from fae.data.split import Reader, Split


class Identity(NamedTuple):
    """What tells one data set from another, wherever its folder lies."""

    dataset: str
    """The name of the data set."""
    fingerprint: str
    """Eight hexadecimal digits of what the files hold: the pixels of all images, and the bytes of all masks, those of
    regions of interest among them."""


def identities(index: Index, splits: Sequence[Split], reader: Reader) -> list[Identity]:
    """Identify a data set alone, and with one folder of data.extra after the other; see `identity`."""
    return [identity(index.first(count), splits, reader) for count in range(len(index.extra) + 1)]


def identity(index: Index, splits: Sequence[Split], reader: Reader) -> Identity:
    """Identify a data set by its files' splits, groups, names and content.

    Args:
        index: index of the files.
        splits: all images of the index, decoded.
        reader: reader that decoded them, which knows their regions of interest.

    Raises:
        OSError: a mask cannot be read.
    """
    pixels = {s.path: one.digest for split in splits for s, one in zip(split.samples, split.seen, strict=True)}
    regions = reader.regions
    masks_of = {s.path: (*s.mask_files, *(() if regions is None else (regions.file_of(s.path),))) for s in index.all}
    files = list(dict.fromkeys(path for some in masks_of.values() for path in some))
    masks = dict(zip(files, Memo(reader.cache_dir, "bytes").of(files, of_bytes), strict=True))
    digest = hashlib.sha256(index.dataset.encode())
    own, ends = len(index.train) - sum(index.extra), accumulate(index.extra)
    extra = [index.train[own + end - count : own + end] for count, end in zip(index.extra, ends, strict=True)]
    splits_of = (("train", index.train[:own]), ("test", index.test), *(("extra", samples) for samples in extra))
    for split, samples in splits_of:
        for sample in samples:
            digest.update(os.fsencode(f"{split}/{sample.defect_type}/{sample.path.name}:"))
            digest.update(b"" if sample.group is None else f"{sample.group}/".encode())
            digest.update(pixels[sample.path] + b"".join(masks[path].digest for path in masks_of[sample.path]))
    return Identity(index.dataset, digest.hexdigest()[:8])
