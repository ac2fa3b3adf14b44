"""The gain of each switch of a training step: the step as it is and with one switch reversed, in turn."""

from collections.abc import Callable
from contextlib import ExitStack
from operator import itemgetter
from typing import Any

import torch
from torch import nn
from torch._dynamo.utils import counters

from experiments.benchmark.process import aside
from experiments.benchmark.subject import Subject, subject_of
from experiments.benchmark.timing import Work, in_turn, summary
from fae.run.identity import resolved
from fae.types import Batch

AS_IT_IS = "as it is"
GIVEN_BACK = "freed memory given back to the system"
COMPILED = "compiled"


def switches(subject: Subject, seconds: float) -> dict[str, Any]:
    """Time forward pass, backward pass and optimiser on crops of the last stage.

    Args:
        subject: network, objective and data.
        seconds: approximate time in seconds, without that of the compiler.

    Returns:
        `times` by name, the `gain` in speed of each reversed switch (negative where the step became slower), the number
        of graphs that were compiled for three sizes of crops, and the seconds that it took.
    """
    batch = subject.batch()
    work: dict[str, Work] = {AS_IT_IS: _step(subject, batch)}
    work["contiguous memory"] = _step(subject, batch, prepare=_contiguous)
    work["optimiser without fused kernel"] = _step(subject, batch, fused=False)
    if subject.half:
        work["float32"] = _step(subject, batch, half=False)
    work[COMPILED] = _step(subject, batch, prepare=_compiled)
    if subject.device.type == "cuda":
        work[f"{COMPILED}, with CUDA graphs"] = _step(subject, batch, prepare=_graphs)
    with ExitStack() as stack:
        if subject.device.type == "cpu":
            given_back = aside(_as_it_is, resolved(subject.cfg), device=subject.device)
            work[GIVEN_BACK] = stack.enter_context(given_back)
        times = {name: summary(values) for name, values in in_turn(work, subject.device, seconds).items()}
    now = times[AS_IT_IS]["median_ms"]
    gains = {name: now / values["median_ms"] - 1 for name, values in times.items() if name != AS_IT_IS}
    return {"times": times, "gain": gains} | _compilations(subject, batch)


def _step(
    subject: Subject,
    batch: Batch,
    prepare: Callable[[nn.Module], Callable[..., Any]] = lambda model: model,
    fused: bool | None = None,
    half: bool | None = None,
) -> Work:
    module = subject.module().train()
    model = prepare(module.network.model)
    optimizer = module.optimizer(module.parameters())
    if fused is not None:
        for group in optimizer.param_groups:
            group["fused"] = fused
    half = subject.half if half is None else half
    # The network is called without its module, which would bring images to the network's memory format.
    image = batch.corrupted
    if prepare is not _contiguous:
        image = image.contiguous(memory_format=torch.channels_last)

    def step() -> None:
        with torch.autocast(subject.device.type, torch.bfloat16, enabled=half):
            loss = module.objective(model(image), *batch).total
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def _as_it_is(plain: dict[str, Any]) -> Work:
    subject = subject_of(plain)
    return _step(subject, subject.batch())


def _contiguous(model: nn.Module) -> nn.Module:
    return model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload, no-any-return]


def _compiled(model: nn.Module) -> Callable[..., Any]:
    return torch.compile(model)


def _graphs(model: nn.Module) -> Callable[..., Any]:
    return torch.compile(model, mode="reduce-overhead")


def _compilations(subject: Subject, batch: Batch) -> dict[str, Any]:
    """Number of compiled graphs and seconds of the compiler, for crops of 1/2, 3/4 and all of the size."""
    torch._dynamo.reset()
    counters.clear()
    side = min(batch.clean.shape[-2:])
    for crop in (side // 2, side * 3 // 4, side):
        _step(subject, batch.each(itemgetter((..., slice(crop), slice(crop)))), prepare=_compiled)()
    names, values = torch._dynamo.utils.compile_times(repr="csv", aggregate=True)
    seconds = {str(name): float(str(value)) for name, value in zip(names, values, strict=True)}
    return {
        "graphs_for_three_crops": int(counters["stats"]["unique_graphs"]),
        "compile_s": seconds["_compile.compile_inner"],
    }
