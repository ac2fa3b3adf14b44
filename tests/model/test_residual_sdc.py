"""The models for spaces of features."""

import pytest
import torch
from torch import nn

from fae.model.residual_sdc import ResidualSDC
from fae.model.sdc_bottleneck import SDCBottleneck


def test_it_is_the_identity_before_training_and_learns() -> None:
    torch.manual_seed(0)
    model, point = ResidualSDC(channels=5, inner=4, width=3, blocks=2), torch.randn(4, 5, 8, 8)
    assert torch.equal(model(point), point)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model(point), point)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        loss = (model(point) - 0.5 * point).square().mean()
        loss.backward()
        optimizer.step()
    assert loss < 0.5 * (0.5 * point).square().mean()


def test_branches_reach_as_far_as_their_dilations() -> None:
    """Four branches of one block reach 8 cells, and three blocks 24."""
    for blocks, reach in ((1, 8), (3, 24)):
        model = ResidualSDC(channels=2, inner=2, width=2, blocks=blocks).eval()
        for part in model.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.constant_(part.weight, 0.1)
        point = torch.zeros(1, 2, 1, 61, requires_grad=True)
        model(point + 1)[0, 0, 0, 30].backward()
        assert point.grad is not None
        seen = point.grad[0, 0, 0].nonzero().flatten()
        assert (int(seen.min()), int(seen.max())) == (30 - reach, 30 + reach)


@pytest.mark.parametrize("model", [ResidualSDC(5, width=4), SDCBottleneck(5, width=4)], ids=["residual", "bottleneck"])
def test_any_size(model: nn.Module) -> None:
    for size in ((8, 8), (3, 17)):
        assert model.eval()(torch.rand(2, 5, *size)).shape == (2, 5, *size)


@pytest.mark.parametrize(
    "model", [ResidualSDC(179, blocks=2), SDCBottleneck(179, width=8)], ids=["residual", "bottleneck"]
)
def test_gradients_are_finite_in_bfloat16(model: nn.Module) -> None:
    """On CPUs with AVX512-BF16 oneDNN reads memory that nobody wrote, if dilated channels are no multiple of 16."""
    point = torch.randn(2, 179, 16, 16)
    for _ in range(3):
        junk = torch.full((2**22,), torch.nan)
        del junk
        with torch.autocast("cpu", torch.bfloat16):
            reconstruction = model(point)
        model.zero_grad()
        (reconstruction - point - 1).square().mean().backward()
        assert all(one.grad.isfinite().all() for one in model.parameters() if one.grad is not None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, r"model.width \(=0\) must be at least 1"),
        ({"inner": 0}, r"model.inner \(=0\) must be at least 1"),
        ({"blocks": 0}, r"model.blocks \(=0\) must be at least 1"),
        ({"branches": 7}, r"model.branches \(=7\) must lie in 1 to 6"),
    ],
)
def test_wrong_arguments(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ResidualSDC(channels=5, **arguments)


def test_wrong_arguments_of_the_bottleneck() -> None:
    with pytest.raises(ValueError, match=r"kernel_size \(=4\) must be 3 or 5"):
        SDCBottleneck(5, kernel_size=4)
    with pytest.raises(ValueError, match=r"model.width \(=0\)"):
        SDCBottleneck(5, width=0)
