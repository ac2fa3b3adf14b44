"""The largest batches of a part that fit into memory, and sentences for those that do not."""

from collections.abc import Callable
from typing import NamedTuple

from experiments.benchmark.need import PROCESS, Need
from experiments.benchmark.subject import Subject

_MAPS = 32 * 64
_HELD_OUT = 48
_GENERATED = (128, 128)


class MemoryShortError(ValueError):
    """Memory does not suffice for a part; the message says what to do."""


class Fitted(NamedTuple):
    """What a part measures."""

    batch_size: int
    """Number of crops of a training step."""
    scored: list[tuple[int, int]]
    """Pairs of the number of images that are scored at a time and of their side in pixels."""
    notes: list[str]
    """A sentence for each batch that is smaller than asked for."""


def fitted(part: str, subject: Subject, room: int) -> Fitted:
    """Reduce the batches of a part until its estimated memory fits.

    The estimate adds `Need` over the processes that hold memory at one moment, and 0.75 GiB for each process:

    - `training`: the step, the plain step with its two workers, and 64 bytes for each pixel of 32 maps.
    - `inference`: the network, and the plain network in a process of its own.
    - `memory`: a step, the plain step, or the plain network; each is alone.
    - `switches`: a step in float32, a step in a process of its own, and the processes of the compiler.
    - `data`: a step, and 48 bytes for each pixel of the held-out images (30 were measured with 2,500 images).

    The part `scale` estimates each of its points by itself.

    Args:
        part: name of the part.
        subject: network and data, with the configuration that tells the wanted batches.
        room: bytes of memory that may be used.

    Raises:
        MemoryShortError: not even one image at a time fits.
    """
    asked, data, need = subject.cfg.benchmark, subject.data, Need(subject)
    size = data.stages[-1]
    maps = _MAPS * size[0] * size[1]
    held_out = max(asked.images) * data.hold_out.share
    held_out_maps = int(held_out * _HELD_OUT * _GENERATED[0] * _GENERATED[1])
    steps: dict[str, Callable[[int], int]] = {
        "training": lambda n: need.step(n, size) + need.step(n, size, plain=True) + maps + 4 * PROCESS,
        "memory": lambda n: max(need.step(n, size), need.step(n, size, plain=True)) + 2 * PROCESS,
        "switches": lambda n: need.step(n, size) + need.step(n, size, plain=True) + 6 * PROCESS,
        "layers": lambda n: need.step(n, size) + PROCESS,
        "data": lambda n: need.step(n, _GENERATED) + held_out_maps + 2 * PROCESS,
    }
    batch = data.batch_size
    notes: list[str] = []
    scored: list[tuple[int, int]] = []
    if part in steps:
        lower = "benchmark.images" if part == "data" else "data.image_size"
        batch = _largest(part, "data.batch_size", batch, steps[part], room, lower, notes)
    for side in asked.sides if part in ("inference", "memory") else ():

        def scoring(n: int, side: int = side) -> int:
            plain = need.forward(n, (side, side), plain=True)
            return plain + (need.forward(n, (side, side)) if part == "inference" else 0) + 3 * PROCESS

        for n in asked.batches:
            where = f"{part} at {side}×{side} px"
            pair = _largest(where, "benchmark.batches", n, scoring, room, "benchmark.sides", notes), side
            if pair not in scored:
                scored.append(pair)
    return Fitted(batch, scored, notes)


def gib(size: float) -> str:
    """Bytes as text in GiB."""
    return f"{size / 2**30:.1f} GiB"


def _largest(
    what: str, key: str, asked: int, need: Callable[[int], int], room: int, lower: str, notes: list[str]
) -> int:
    """The largest number of images up to `asked` that fits; a smaller one adds a sentence to the notes."""
    wanted = need(asked)
    if wanted <= room:
        return asked
    fits, too_many = 0, asked
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        fits, too_many = (middle, too_many) if need(middle) <= room else (fits, middle)
    if not fits:
        raise MemoryShortError(
            f"{what} needs about {gib(need(1))} of memory for one image at a time, and {gib(room)} are available; "
            f"lower model.width or {lower}, or allow more by benchmark.memory_gib"
        )
    notes.append(
        f"{what} would need about {gib(wanted)} of memory with {key}={asked}, and {gib(room)} are available: "
        f"{key}={fits} is measured instead."
    )
    return fits
