"""Laws of the memory of features."""

import pytest
import torch
from torch import Tensor

from fae.space.recall import Recall


class Counted:
    """Twice the image, and how often it was asked for."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, image: Tensor) -> Tensor:
        assert len(image) == 1
        self.calls += 1
        return image * 2


def test_what_comes_back_is_computed_once() -> None:
    function, images = Counted(), torch.rand(3, 3, 4, 4)
    recall = Recall(function, most=1)
    for _ in range(3):
        assert torch.equal(recall(images), images * 2)
        assert function.calls == 3
    recall(images.flip(-1)[:1])
    assert function.calls == 4
    recall(images[1:2].clone())
    assert function.calls == 4
    recall.forget()
    recall(images)
    assert function.calls == 7


def test_memory_is_limited() -> None:
    function, images = Counted(), torch.rand(5, 3, 170, 205)  # 0.4 MiB each
    recall = Recall(function, most=1)
    recall(images)
    assert torch.equal(recall(images), images * 2)
    assert function.calls == 5 + 3


def test_without_memory_images_are_passed_together() -> None:
    images, sizes = torch.rand(5, 3, 4, 4), []
    recall = Recall(lambda image: sizes.append(len(image)) or image, most=0)  # type: ignore[func-returns-value]
    assert torch.equal(recall(images), images)
    assert sizes == [5]


def test_a_negative_limit() -> None:
    with pytest.raises(ValueError, match=r"keep \(=-1\) must not be negative; 1024 MiB"):
        Recall(Counted(), -1)
