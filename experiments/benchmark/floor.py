"""The least time that a network's arithmetic takes: operations over the matrix rate, bytes over the bandwidth."""

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
"""Side of the matrices whose product reaches the full rate of a device; elsewhere 2048."""


class Operation(NamedTuple):
    """A convolution, or one of its gradients."""

    flop: int
    """Number of operations, two for each multiply-add."""
    bytes: int
    """Bytes of its inputs and outputs, each counted once."""


class Machine(NamedTuple):
    """The measured rates of a device."""

    flop_per_s: float
    """Operations a second of a product of large square matrices."""
    bytes_per_s: float
    """Bytes a second that a copy reads and writes."""

    def floor_s(self, operations: Sequence[Operation]) -> float:
        """Sum over the operations of the longer of two times in seconds: that of its arithmetic, that of its bytes."""
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
    """List the convolutions of a forward pass or of a training step, without computing anything.

    Args:
        model: a network from `(B, 3, H, W)` to the same shape.
        shape: the images' shape `(B, 3, H, W)`.
        dtype: the type of the arithmetic.
        training: whether the convolutions of the backward pass belong to the list.
    """
    twin = copy.deepcopy(model).to("meta", dtype).train(training)
    count = _Count()
    with count, torch.set_grad_enabled(training):
        result = twin(torch.empty(*shape, device="meta", dtype=dtype))
        if training:
            result.sum().backward()
    return count.operations


def bandwidth(device: torch.device) -> float:
    """Bytes a second that a copy too large for any cache reads and writes: the median of six copies."""
    source = torch.ones(2**28, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / median(timed(partial(target.copy_, source), device) for _ in range(6))


def product(device: torch.device, dtype: torch.dtype, side: int | None = None) -> tuple[Work, int]:
    """A product of square matrices, and the number of its operations.

    Args:
        device: the device that the matrices lie on.
        dtype: the type of their numbers.
        side: the number of their rows and columns; None takes 8192 on a GPU and 2048 elsewhere.
    """
    side = side or _SIDE.get(device.type, 2048)
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in "ab")
    result = torch.empty_like(a)
    return lambda: torch.mm(a, b, out=result), 2 * side**3
