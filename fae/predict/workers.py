"""Threads that take turns with batches from reading to writing, so that no core waits for a decoder or a disk."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import torch

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_MOST = 8
"""The most threads unless told otherwise: more of them wait for Python's lock, and each holds a batch."""


def default_threads() -> int:
    """Return the number of cores that this process may use, at most eight."""
    return min(torch.get_num_threads(), _MOST)


def cores_of(threads: int) -> int:
    """Return the number of cores that each of several threads may use for its arithmetic."""
    return max(1, torch.get_num_threads() // threads)


def in_threads(
    function: Callable[[list[_Item]], _Result], items: Iterable[_Item], together: int, threads: int
) -> Generator[_Result, None, None]:
    """Yield what a function returns for groups of items, in their order; few groups are in memory at a time.

    Each thread gets its share of the cores for its tensors. One network call a core is faster than one call on all
    cores: its threads would wait for each other in every layer, above all beside other work.

    Args:
        function: function of a group.
        items: items, which are taken as they are needed.
        together: number of items of a group, >= 1.
        threads: number of threads, >= 1.
    """
    cores = torch.get_num_threads()
    torch.set_num_threads(cores_of(threads))
    pool = ThreadPoolExecutor(threads)
    waiting: deque[Future[_Result]] = deque()
    source = iter(items)
    try:
        while group := list(islice(source, together)):
            waiting.append(pool.submit(function, group))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(cores)
