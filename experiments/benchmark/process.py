"""Work in a fresh process, where nothing else has left its memory."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from experiments.benchmark.timing import Elapsed, Work, timed
from fae.machine.allocator import keep_freed_memory

_made: list[Work] = []


def in_process(function: Callable[..., Any], *arguments: Any, keep: bool = True) -> Any:
    """What a function of a module returns in a fresh process.

    Args:
        function: to call there.
        arguments: that it gets, plain values.
        keep: whether freed memory stays there, as in every command; otherwise as Python has it by itself.

    Raises:
        BrokenProcessPool: the process ended without an answer, as when memory is short.
    """
    with _process(keep) as pool:
        return pool.submit(function, *arguments).result()


@contextmanager
def aside(build: Callable[..., Work], *arguments: Any, device: torch.device) -> Iterator[Work]:
    """A candidate in a process of its own, with memory as Python has it by itself, to take turns with others.

    Args:
        build: a function of a module that makes the work, there.
        arguments: that it gets, plain values.
        device: where it runs.

    Raises:
        BrokenProcessPool: as of `in_process`.
    """
    with _process(keep=False) as pool:
        pool.submit(_make, build, arguments).result()
        yield lambda: pool.submit(_do, device).result()


def _process(keep: bool) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), partial(_begin, keep))


def _begin(keep: bool) -> None:
    """In the new process: its memory, and an end when the one that asked for it was killed."""
    if keep:
        keep_freed_memory()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _make(build: Callable[..., Work], arguments: tuple[Any, ...]) -> None:
    _made.append(build(*arguments))


def _do(device: torch.device) -> Elapsed:
    return Elapsed(timed(_made[0], device))
