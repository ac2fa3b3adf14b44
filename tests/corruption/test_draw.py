"""Random numbers on their way to the device."""

import pytest
import torch

from fae.corruption.draw import send
from tests.watch import Watch


@pytest.mark.parametrize(
    ("device", "numbers", "pinned"), [("meta", 2**14, 0), ("meta", 2**14 + 1, 1), ("cpu", 2**20, 0)]
)
def test_many_numbers_leave_from_page_locked_memory(device: str, numbers: int, pinned: int) -> None:
    with Watch() as watch:
        there = send(torch.zeros(numbers), torch.device(device))
    assert there.device.type == device
    assert len(watch.pinned) == pinned
    assert (watch.sent, watch.waited_for) == (int(device != "cpu"), 0)
