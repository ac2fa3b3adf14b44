"""What the arithmetic of a network demands at least: operations over matrix rate, bytes over bandwidth."""

import copy
from collections.abc import Sequence
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from experiments.benchmark.timing import Work, timed

PRODUCT = "a matrix product"
_SIDE = {"cuda": 8192}
"""Of its matrices, large enough for the full rate; elsewhere 2048."""


class Operation(NamedTuple):
    """A convolution, or one of its gradients."""

    flop: int
    """Two per multiply-add."""
    bytes: int
    """What it reads and writes, each once."""


class Machine(NamedTuple):
    """What a device can do, measured."""

    flop_per_s: float
    """Of multiplying large square matrices."""
    bytes_per_s: float
    """Read and written by a copy."""

    def floor_s(self, operations: Sequence[Operation]) -> float:
        """Seconds if each operation took only what its arithmetic or its memory takes, and all others nothing."""
        return sum(max(one.flop / self.flop_per_s, one.bytes / self.bytes_per_s) for one in operations)


class _Count(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[Operation] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        flop = flop_registry.get(func.overloadpacket)
        if flop is not None:
            moved = [*args, *(result if isinstance(result, tuple) else (result,))]
            size = sum(one.nbytes for one in moved if isinstance(one, Tensor))
            self.operations.append(Operation(int(flop(*args, **kwargs, out_val=result)), size))
        return result


def operations(model: nn.Module, shape: Sequence[int], dtype: torch.dtype, training: bool) -> list[Operation]:
    """Convolutions of a forward pass, or of a training step, without computing anything.

    Args:
        model: maps `(B, 3, H, W)` to the same.
        shape: of the images.
        dtype: of the arithmetic.
        training: with the gradients.
    """
    twin = copy.deepcopy(model).to("meta", dtype).train(training)
    count = _Count()
    with count, torch.set_grad_enabled(training):
        result = twin(torch.empty(*shape, device="meta", dtype=dtype))
        if training:
            result.sum().backward()
    return count.operations


def bandwidth(device: torch.device) -> float:
    """Bytes a second, read and written, of copying what fits into no cache: the median of six copies."""
    source = torch.ones(2**28, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / median(timed(partial(target.copy_, source), device) for _ in range(6))


def product(device: torch.device, dtype: torch.dtype) -> tuple[Work, int]:
    """A product of large square matrices, and its operations."""
    side = _SIDE.get(device.type, 2048)
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in "ab")
    result = torch.empty_like(a)
    return lambda: torch.mm(a, b, out=result), 2 * side**3
