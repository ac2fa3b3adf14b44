import math
import time
from itertools import pairwise

import pytest
import torch

from experiments.benchmark.memory import highest_anonymous, peak
from experiments.benchmark.process import in_process
from experiments.benchmark.scale import exponent
from experiments.benchmark.timing import in_turn, shuffled, summary, timed

CPU = torch.device("cpu")


def test_in_turn() -> None:
    seen: list[str] = []
    times = in_turn({"a": lambda: seen.append("a"), "b": lambda: seen.append("b")}, CPU, seconds=0)
    assert "".join(seen[:2]) == "ab", "the first round warms up"
    assert all(sorted(seen[i : i + 2]) == ["a", "b"] for i in range(0, 8, 2))
    assert [len(values) for values in times.values()] == [3, 3]


def test_every_candidate_comes_after_every_other_one() -> None:
    # In one order, though it may begin anywhere, what runs before a candidate would be part of its time.
    names = ["a", "b", "c", "d"]
    follows = {pair for seed in range(30) for pair in pairwise(shuffled(names, seed))}
    assert len(follows) == 12
    assert shuffled(names, 3) == shuffled(names, 3)


def test_no_more_rounds_than_wanted() -> None:
    assert len(in_turn({"a": lambda: None}, CPU, seconds=60, at_most=5)["a"]) == 5
    assert len(in_turn({"a": lambda: None}, CPU, seconds=60)["a"]) == 100


def test_seconds_pass() -> None:
    assert timed(lambda: time.sleep(0.02), CPU) >= 0.02


def test_summary() -> None:
    assert summary([0.001 * i for i in range(1, 102)]) == pytest.approx({"median_ms": 51, "p95_ms": 96, "rounds": 101})


def test_exponent_of_the_upper_half() -> None:
    values = [1, 2, 4, 8, 16, 32]
    assert exponent(values, [9, 9, 9, 3 * 8**1.5, 3 * 16**1.5, 3 * 32**1.5]) == pytest.approx(1.5)
    assert exponent([2, 4], [5, 20]) == pytest.approx(2)
    assert math.isnan(exponent([2], [5]))


def _fifty_mib() -> tuple[int, int]:
    with peak(CPU) as found:
        torch.ones(50 * 2**20, dtype=torch.uint8)
    with highest_anonymous() as highest:
        before = highest[0]
        kept = torch.ones(50 * 2**20, dtype=torch.uint8)
        time.sleep(0.3)
        del kept
    return found[0], highest[0] - before


def test_memory_in_a_process_of_its_own() -> None:
    """Where no freed memory waits to be used again."""
    for found in in_process(_fifty_mib):
        assert 45 <= found / 2**20 <= 60
