"""Wall-clock times of several candidates that take turns, so that a busy moment of the machine slows all alike."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

Work = Callable[[], object]


class Elapsed(NamedTuple):
    """Duration of work that another process timed, so that the message between the processes does not count."""

    seconds: float


AT_LEAST, AT_MOST = 3, 100
"""Numbers of rounds."""


def timed(work: Work, device: torch.device) -> float:
    """Seconds until the work is done, on the device as well."""
    wait(device)
    start = time.perf_counter()
    done = work()
    wait(device)
    return done.seconds if isinstance(done, Elapsed) else time.perf_counter() - start


def in_turn(
    work: Mapping[str, Work], device: torch.device, seconds: float, at_most: int = AT_MOST
) -> dict[str, list[float]]:
    """Time all candidates round by round, after one round to warm up.

    Args:
        work: the candidates by name.
        device: the device that they run on.
        seconds: time after which no further round begins; the first three rounds always run.
        at_most: largest number of rounds.
    """
    times: dict[str, list[float]] = {name: [] for name in work}
    for candidate in work.values():
        candidate()
    start = time.perf_counter()
    for i in range(at_most):
        if i >= AT_LEAST and time.perf_counter() - start > seconds:
            break
        for name in shuffled(list(work), i):
            times[name].append(timed(work[name], device))
    return times


def shuffled(names: Sequence[str], seed: int) -> list[str]:
    """The names in a random order.

    A candidate finds memory and caches as the one before it left them, and that must not always be the same one.
    """
    return random.Random(seed).sample(names, len(names))


def summary(times: Sequence[float]) -> dict[str, Any]:
    """Median and 95th percentile of times in milliseconds, and the number of rounds."""
    return {
        "median_ms": 1e3 * float(np.median(times)),
        "p95_ms": 1e3 * float(np.percentile(times, 95)),
        "rounds": len(times),
    }


def wait(device: torch.device) -> None:
    """Return when the device has done all that it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
