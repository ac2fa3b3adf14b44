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
    """Call a function in a fresh process and return its result.

    Args:
        function: a function of a module.
        arguments: its arguments, which must be picklable.
        keep: whether the process keeps freed memory, as every command of `fae` does; otherwise the C library decides.

    Raises:
        BrokenProcessPool: the process ended without an answer, for example because memory ran out.
    """
    with _process(keep) as pool:
        return pool.submit(function, *arguments).result()


@contextmanager
def aside(build: Callable[..., Work], *arguments: Any, device: torch.device) -> Iterator[Work]:
    """Keep a candidate in a process of its own, so that it can take turns with others.

    The C library of that process gives freed memory back to the system.

    Args:
        build: a function of a module that makes the work, in the new process.
        arguments: its arguments, which must be picklable.
        device: the device that the work runs on.

    Raises:
        BrokenProcessPool: the process ended without an answer, for example because memory ran out.
    """
    with _process(keep=False) as pool:
        pool.submit(_make, build, arguments).result()
        yield lambda: pool.submit(_do, device).result()


def _process(keep: bool) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), partial(_begin, keep))


def _begin(keep: bool) -> None:
    """Set up the new process: its memory, and its end when the process that asked for it is killed."""
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
