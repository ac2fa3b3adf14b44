"""How much memory a piece of work needs, estimated before it runs."""

import copy
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from experiments.benchmark.subject import Subject
from fae.run.build import build_module
from fae.types import Batch

PROCESS = 3 * 2**28
"""Bytes of a process with its libraries and the decoded images, before the network."""
_KEPT, _GIVEN_BACK = 2.0, 1.5
_SCRATCH = 2**26
_PIXEL = 96


class _Live(TorchDispatchMode):
    """Counts the bytes of all tensors that operations make, until nothing refers to them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.highest = 0
        self._seen = WeakIdKeyDictionary()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for one in tree_leaves(result):
            if isinstance(one, Tensor) and one.untyped_storage() not in self._seen:
                storage = one.untyped_storage()
                self._seen[storage] = True
                self.now += storage.nbytes()
                weakref.finalize(storage, self._freed, storage.nbytes())
        self.highest = max(self.highest, self.now)
        return result

    def _freed(self, size: int) -> None:
        self.now -= size


def live_bytes(work: Callable[[], object]) -> int:
    """Highest number of bytes of tensors that `work` has made and that exist at one moment."""
    live = _Live()
    with live:
        work()
    return live.highest


class Need:
    """Bytes that a training step or a forward pass needs at its peak, beyond a process with its libraries.

    The work runs on PyTorch's meta device, where operations give shapes and compute nothing, so that the bytes of all
    tensors that live at one moment are exact: activations that wait for the backward pass, gradients and copies. To
    them come the parameters with their gradients and Adam's two moments. What is not known beforehand is added as an
    upper bound: the libraries' work memory and freed blocks that other sizes cannot use (a factor of 2, of 1.5 for the
    plain implementation, whose process gives freed memory back, and 64 MiB), the weight gradients that each thread sums
    for itself, and 96 bytes a pixel for images, masks and maps. On a CPU the bound was 1.2 to 1.9 times what was
    measured. It was not checked on a GPU.

    Args:
        subject: network, objective and precision.
    """

    def __init__(self, subject: Subject) -> None:
        module = build_module(subject.cfg, subject.score)
        self._model: nn.Module = module.network.model
        self._objective, self._dtype = module.objective, subject.dtype
        sizes = [one.numel() for one in self._model.parameters()]
        self._weights: int = 4 * sum(sizes)
        self._largest: int = 4 * max(sizes)

    def step(self, batch: int, size: Sequence[int], plain: bool = False) -> int:
        """Bytes of a training step.

        Args:
            batch: number of crops.
            size: height and width of the crops in pixels.
            plain: in float32, as the plain implementation computes, instead of the run's precision.
        """
        model, objective = self._on_meta(plain), copy.deepcopy(self._objective)
        if isinstance(objective, nn.Module):
            objective.to("meta")
        image, mask = (torch.empty(batch, channels, *size, device="meta") for channels in (3, 1))

        def step() -> None:
            loss = objective(model.train()(image.to(self._type(plain))), *Batch(image, image, mask)).total
            loss.backward()  # type: ignore[no-untyped-call]

        moments_and_more = 4 * self._weights + torch.get_num_threads() * self._largest
        return self._bound(live_bytes(step), batch, size, plain) + moments_and_more

    def forward(self, batch: int, size: Sequence[int], plain: bool = False) -> int:
        """Bytes of scoring images; the arguments are those of `step`."""
        model, image = self._on_meta(plain).eval(), torch.empty(batch, 3, *size, device="meta")
        with torch.no_grad():
            found = live_bytes(lambda: model(image.to(self._type(plain))))
        return self._bound(found, batch, size, plain) + 2 * self._weights

    def _type(self, plain: bool) -> torch.dtype:
        return torch.float32 if plain else self._dtype

    def _on_meta(self, plain: bool) -> nn.Module:
        model: nn.Module = copy.deepcopy(self._model).to("meta", self._type(plain))
        return model

    @staticmethod
    def _bound(live: int, batch: int, size: Sequence[int], plain: bool) -> int:
        return int((_GIVEN_BACK if plain else _KEPT) * live) + _SCRATCH + _PIXEL * batch * size[0] * size[1]
