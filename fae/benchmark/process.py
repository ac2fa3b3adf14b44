"""Work in a fresh process, where nothing else has left its memory."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch

from fae.allocator import keep_freed_memory
from fae.benchmark.timing import Work

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
def aside(build: Callable[..., Work], *arguments: Any, keep: bool) -> Iterator[Work]:
    """A candidate in a process of its own, to take turns with others: it finds there what it has left there itself.

    Args:
        build: a function of a module that makes the work, there.
        arguments: that it gets, plain values.
        keep: as of `in_process`.
    """
    with _process(keep) as pool:
        pool.submit(_make, build, arguments).result()
        yield lambda: pool.submit(_do).result()


def _process(keep: bool) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), keep_freed_memory if keep else None)


def _make(build: Callable[..., Work], arguments: tuple[Any, ...]) -> None:
    _made.append(build(*arguments))


def _do() -> None:
    _made[0]()
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()
