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


def test_what_comes_back_is_computed_twice() -> None:
    function, images = Counted(), torch.rand(3, 3, 4, 4)
    recall = Recall(function, most=1)
    for count in (3, 6, 6, 6):
        assert torch.equal(recall(images), images * 2)
        assert function.calls == count
    recall(images.flip(-1)[:1])
    assert function.calls == 7
    recall(images[1:2].clone())
    assert function.calls == 7
    recall.forget()
    recall(images)
    assert function.calls == 10


@pytest.mark.parametrize(("most", "kept"), [(0, 0), (1, 2)])
def test_memory_is_limited(most: int, kept: int) -> None:
    function, images = Counted(), torch.rand(5, 3, 170, 205)  # 0.4 MiB each
    recall = Recall(function, most=most)
    for _ in range(2):
        recall(images)
    before = function.calls
    assert torch.equal(recall(images), images * 2)
    assert function.calls - before == 5 - kept


def test_a_negative_limit() -> None:
    with pytest.raises(ValueError, match=r"keep \(=-1\) must not be negative; 1024 MiB"):
        Recall(Counted(), -1)
