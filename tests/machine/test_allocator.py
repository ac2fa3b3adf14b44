import platform
import resource
import sys
from statistics import median

import pytest
import torch

from fae.cli import command as cli
from fae.machine.allocator import give_back_freed_memory, keep_freed_memory
from tests.processes import Forked

SIZE = 33 * 2**20  # larger than the blocks that glibc keeps by itself


def _page_faults(keep: bool) -> float:
    """Of filling a tensor whose like has been freed before, the median; the first ones settle what lies between."""
    if keep:
        keep_freed_memory()
    found = []
    for _ in range(40):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(SIZE, dtype=torch.uint8)
        found.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    return median(found[20:])


def test_a_freed_tensor_is_used_again(forked: Forked) -> None:
    given_back = forked.call(_page_faults, False)
    assert given_back > 10  # of large pages
    assert forked.call(_page_faults, True) < given_back / 10


def test_other_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory()
    give_back_freed_memory()


def test_every_command_keeps_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["fae.data.check", "root=nowhere"])
    monkeypatch.setattr(cli, "keep_freed_memory", lambda: print("kept"))
    cli.run(lambda cfg: print(cfg.root), "check")
    assert capsys.readouterr().out == "kept\nnowhere\n"
