from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

_CHUNK = 1 << 21  # scores that are sorted at a time; NumPy sorts without the interpreter's lock


class Ranks(NamedTuple):
    """The position of each anomalous score among the normal scores; exact curves need nothing else."""

    score: NDArray[np.float32]
    """`(P,)` anomalous scores, descending."""
    order: NDArray[np.int64]
    """`(P,)` indices with `score = anomalous[order]`."""
    above: NDArray[np.int64]
    """`(P,)` numbers of normal scores that are higher than each anomalous score."""
    not_below: NDArray[np.int64]
    """`(P,)` numbers of normal scores that are higher than or equal to each anomalous score."""
    normals: int
    """The number of normal scores."""

    @classmethod
    def of(cls, normal: NDArray[np.float32], anomalous: NDArray[np.float32]) -> "Ranks":
        """Count chunk by chunk; the counts of chunks add up.

        Args:
            normal: `(N,)` normal scores, of any finite range.
            anomalous: `(P,)` anomalous scores, of any finite range.
        """
        order = np.argsort(-anomalous, kind="stable")
        score = anomalous[order]
        ascending = score[::-1]

        def lower(start: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
            chunk = np.sort(normal[start : start + _CHUNK])
            return np.searchsorted(chunk, ascending, side="left"), np.searchsorted(chunk, ascending, side="right")

        below, not_above = np.zeros((2, len(score)), dtype=np.int64)
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            for left, right in pool.map(lower, range(0, len(normal), _CHUNK)):
                below += left
                not_above += right
        return cls(score, order, len(normal) - not_above[::-1], len(normal) - below[::-1], len(normal))

    @property
    def defined(self) -> bool:
        """Whether both classes are present."""
        return self.normals > 0 and len(self.score) > 0
