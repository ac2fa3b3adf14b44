"""Images that look alike: photographs of one part in training and test make a network look better than it is."""

import cv2
import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fae.image import Array

_SIDE = 16  # bits; a hash of 8×8 bits tells parts with little texture not apart
_PIXELS = 4 * _SIDE
_TOGETHER = 1024  # images that are compared at a time


def perceptual_hash(rgb: Array) -> bytes:
    """Return the perceptual hash of an image `(H, W, 3)`: 256 bits, the signs of its lowest frequencies.

    Two photographs of one scene differ in few bits, whatever their exposure, size and compression; other scenes differ
    in half of them. The library imagehash computes it (phash, `hash_size=16`).
    """
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_PIXELS, _PIXELS), interpolation=cv2.INTER_AREA)
    return np.packbits(imagehash.phash(Image.fromarray(small), hash_size=_SIDE).hash).tobytes()


def twins(of: list[bytes], among: list[bytes], share: float) -> NDArray[np.bool_]:
    """Return which images have a twin: another image whose hash differs in at most a share of its bits.

    Args:
        of: hashes of N images, see `perceptual_hash`.
        among: hashes of the images that may be twins.
        share: largest share of different bits, in [0, 1].

    Returns:
        `(N,)` bool.
    """
    found = np.zeros(len(of), np.bool_)
    if not of or not among:
        return found
    there = _signs(among)
    for first in range(0, len(of), _TOGETHER):
        agreement = _signs(of[first : first + _TOGETHER]) @ there.T / there.shape[1]  # 1 - 2 × share
        found[first : first + _TOGETHER] = agreement.max(axis=1) >= 1 - 2 * share
    return found


def _signs(hashes: list[bytes]) -> NDArray[np.float32]:
    bits = np.unpackbits(np.frombuffer(b"".join(hashes), np.uint8).reshape(len(hashes), -1), axis=1)
    return bits.astype(np.float32) * 2 - 1
