"""Wall-clock times of several candidates that take turns, so that a busy moment of the machine hits all alike."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

Work = Callable[[], object]


class Elapsed(NamedTuple):
    """What work returns that was timed elsewhere, so that asking for it does not count."""

    seconds: float


AT_LEAST, AT_MOST = 3, 100
"""Rounds."""


def timed(work: Work, device: torch.device) -> float:
    """Seconds until the work is done, on the device as well."""
    wait(device)
    start = time.perf_counter()
    done = work()
    wait(device)
    return done.seconds if isinstance(done, Elapsed) else time.perf_counter() - start


def in_turn(work: Mapping[str, Work], device: torch.device, seconds: float) -> dict[str, list[float]]:
    """Time all candidates round by round, after a round to warm up.

    Args:
        work: the candidates by name.
        device: where they run.
        seconds: no round begins after so many, but for the first three.
    """
    times: dict[str, list[float]] = {name: [] for name in work}
    for candidate in work.values():
        candidate()
    start = time.perf_counter()
    for i in range(AT_MOST):
        if i >= AT_LEAST and time.perf_counter() - start > seconds:
            break
        for name in shuffled(list(work), i):
            times[name].append(timed(work[name], device))
    return times


def shuffled(names: Sequence[str], seed: int) -> list[str]:
    """The same in another order: memory and caches are as the last candidate left them, which must not be one alone."""
    return random.Random(seed).sample(names, len(names))


def summary(times: Sequence[float]) -> dict[str, Any]:
    """Median and 95th percentile in milliseconds, and of how many."""
    return {
        "median_ms": 1e3 * float(np.median(times)),
        "p95_ms": 1e3 * float(np.percentile(times, 95)),
        "rounds": len(times),
    }


def wait(device: torch.device) -> None:
    """Until the device has done all that it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
