from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

STAGED = 2**16
"""Bytes. Of more from ordinary memory CUDA waits for all queued work, whatever it is told."""


class Watch(TorchDispatchMode):
    """Counts copies to a device, by whether they wait for it, and values that the host reads.

    No machine without a GPU has page-locked memory: what is asked for is remembered, and granted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sent = self.waited_for = self.reads = 0
        self.pinned: list[Tensor] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.ops.aten._pin_memory.default:
            self.pinned.append(args[0].clone())
            return self.pinned[-1]
        if func is torch.ops.aten._to_copy.default and kwargs.get("device", args[0].device) != args[0].device:
            staged = args[0].nbytes <= STAGED or any(args[0] is one for one in self.pinned)
            if kwargs.get("non_blocking") and staged:
                self.sent += 1
            else:
                self.waited_for += 1
        self.reads += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **kwargs)
