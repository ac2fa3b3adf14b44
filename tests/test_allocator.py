import platform
import resource
from statistics import median

import pytest
import torch

from fae.allocator import keep_freed_memory
from fae.benchmark.process import in_process

SIZE = 33 * 2**20  # larger than the blocks that glibc keeps by itself
PAGES = SIZE // resource.getpagesize()


def _page_faults() -> float:
    """Of filling a tensor whose like has been freed before, the median; the first ones settle what lies between."""
    found = []
    for _ in range(40):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(SIZE, dtype=torch.uint8)
        found.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    return median(found[20:])


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such setting")
def test_a_freed_tensor_is_used_again() -> None:
    assert in_process(_page_faults, keep=False) >= PAGES
    assert in_process(_page_faults) < PAGES / 20


def test_other_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory()
