"""The peak memory of a piece of work, measured in a fresh process, where no freed memory hides it."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from experiments.benchmark.inference import reconstruct
from experiments.benchmark.plain import plain_step
from experiments.benchmark.process import in_process
from experiments.benchmark.subject import subject_of
from fae.machine.allocator import give_back_freed_memory
from fae.model.folded import fold_batch_norm
from fae.run.identity import resolved


def resident(kind: str) -> int:
    """Bytes of this process's memory that Linux shows under a name.

    Args:
        kind: `VmRSS` (all that is resident), `VmHWM` (its peak) or `RssAnon` (without files).
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{kind}:"))


@contextmanager
def peak(device: torch.device) -> Iterator[list[int]]:
    """Measure the peak memory of a block.

    Args:
        device: the device whose memory counts.

    Yields:
        a list that gets one number at the end of the block: bytes at the peak, beyond those before the block.
    """
    found: list[int] = []
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield found
        found.append(torch.cuda.max_memory_allocated(device) - before)
    else:
        give_back_freed_memory()  # otherwise the block would use it again, and need less
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
        before = resident("VmRSS")
        yield found
        found.append(resident("VmHWM") - before)


@contextmanager
def highest_anonymous() -> Iterator[list[int]]:
    """Yield a list with one number: the highest `RssAnon` in bytes so far, sampled twenty times a second."""
    give_back_freed_memory()
    found: list[int] = [resident("RssAnon")]
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            found[0] = max(found[0], resident("RssAnon"))
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield found
    finally:
        over.set()
        watcher.join()


def memory(cfg: DictConfig, scored: Sequence[tuple[int, int]]) -> dict[str, int]:
    """Measure the peak memory of each piece of work in a fresh process.

    Args:
        cfg: a composed configuration of `fae.train`.
        scored: pairs of the number of images at a time and of their side in pixels.

    Returns:
        for each piece of work its peak in bytes, beyond those of the process with its network.
    """
    plain = resolved(cfg)
    found = {
        "step": in_process(_training_peak, plain, False),
        "plain: step": in_process(_training_peak, plain, True, keep=False),
    }
    for batch, side in scored:
        found[f"inference, {batch} × {side}×{side}"] = in_process(_inference_peak, plain, batch, side)
    return found


def _training_peak(plain: dict[str, Any], as_plain: bool) -> int:
    subject = subject_of(plain)
    module, batch = subject.module().train(), subject.batch()
    optimizer = module.optimizer(module.parameters())
    step = plain_step(module.network.model, module.objective, iter([batch] * 2), subject.device)
    with peak(subject.device) as found:
        for _ in range(2):
            if as_plain:
                step()
                continue
            optimizer.zero_grad()
            with subject.autocast():
                loss = module.objective(module(batch.corrupted), *batch).total
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return found[0]


def _inference_peak(plain: dict[str, Any], batch: int, side: int) -> int:
    subject = subject_of(plain)
    module = subject.module()
    fold_batch_norm(module.network.model)
    image = subject.images(batch, side).to(subject.device).float() / 255
    with peak(subject.device) as found:
        reconstruct(subject, module, image)
    return found[0]
