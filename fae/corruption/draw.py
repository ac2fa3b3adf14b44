import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

Range = tuple[float, float]

_STAGED = 2**16
"""Most bytes that CUDA copies from ordinary memory at once; with more bytes the host waits for all queued work."""


def is_number(value: object) -> bool:
    """Return whether a value from a configuration is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def check_range(name: str, bounds: Range, low: float, high: float = math.inf) -> Range:
    """Return `bounds` as a tuple of floats.

    Raises:
        ValueError: `bounds` is not an increasing pair of numbers inside [low, high].
    """
    pair = isinstance(bounds, Sequence) and len(bounds) == 2 and all(map(is_number, bounds))
    if not pair or not low <= bounds[0] <= bounds[1] <= high:
        shown: object = list(bounds) if isinstance(bounds, Sequence) else bounds
        raise ValueError(f"{name} (={shown}) must be [smallest, largest] within [{low:g}, {high:g}]")
    return float(bounds[0]), float(bounds[1])


def check_fraction(name: str, value: float) -> float:
    """Return `value` as a float.

    Raises:
        ValueError: `value` is not a number in [0, 1].
    """
    if not is_number(value) or not 0 <= value <= 1:
        raise ValueError(f"{name} (={value}) must lie in [0, 1]")
    return float(value)


def uniform(bounds: Range, shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Draw uniform numbers on the CPU."""
    return bounds[0] + (bounds[1] - bounds[0]) * torch.rand(shape, generator=generator)


def log_uniform(bounds: Range, shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Draw numbers on the CPU whose logarithm is uniform, so that every scale is equally frequent."""
    return uniform((math.log(bounds[0]), math.log(bounds[1])), shape, generator).exp()


def send(numbers: Tensor, device: torch.device) -> Tensor:
    """Copy numbers from the CPU to the device; the host does not wait for the device, whatever their size."""
    if device.type != "cpu" and numbers.nbytes > _STAGED:
        numbers = numbers.pin_memory()
    return numbers.to(device, non_blocking=True)
