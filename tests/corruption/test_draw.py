"""Random numbers on their way to the device."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from fae.corruption.draw import send


@pytest.mark.parametrize(
    ("device", "numbers", "pinned"), [("cuda", 2**14, False), ("cuda", 2**14 + 1, True), ("cpu", 2**20, False)]
)
def test_many_numbers_leave_from_page_locked_memory(
    device: str, numbers: int, pinned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def pin_memory(self: Tensor) -> Tensor:
        asked.append("pin")
        return self

    def to(self: Tensor, device: Any, non_blocking: bool = False) -> Tensor:
        asked.append((device.type, non_blocking))
        return self

    monkeypatch.setattr(Tensor, "pin_memory", pin_memory)
    monkeypatch.setattr(Tensor, "to", to)
    send(torch.zeros(numbers), SimpleNamespace(type=device))  # type: ignore[arg-type]
    assert asked == ["pin"] * pinned + [(device, True)]
