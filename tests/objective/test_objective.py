import numpy as np
import pytest
import torch
from torch import Tensor

from fae.objective.amplify import Amplify
from fae.objective.filter import Filter


def batch(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    shape = (3, 3, 7, 5)
    reconstruction, clean, noise = (torch.rand(shape, generator=generator, dtype=torch.float64) for _ in range(3))
    mask = torch.rand((3, 1, 7, 5), generator=generator, dtype=torch.float64)
    mask = mask * (mask > 0.4)
    return reconstruction, clean, torch.lerp(clean, noise, mask), mask


def by_the_equation(reconstruction: Tensor, clean: Tensor, weight: Tensor) -> float:
    """‖w ⊙ (F − X)‖₂² / ‖w‖₁ image by image, element by element."""
    terms = []
    for f, x, w in zip(reconstruction.numpy(), clean.numpy(), weight.expand_as(clean).numpy(), strict=True):
        numerator = sum((w[i] * (f[i] - x[i])) ** 2 for i in np.ndindex(x.shape))
        denominator = sum(abs(w[i]) for i in np.ndindex(x.shape))
        terms.append(numerator / denominator if denominator else 0.0)
    return sum(terms) / len(terms)


@pytest.mark.parametrize("lam", [0.0, 0.3, 1.0])
def test_filter_is_equation_1(lam: float, generator: torch.Generator) -> None:
    reconstruction, clean, corrupted, mask = batch(generator)
    losses = Filter(lam)(reconstruction, clean, corrupted, mask)
    normal = (1 - lam) * by_the_equation(reconstruction, clean, 1 - mask)
    repaired = lam * by_the_equation(reconstruction, clean, mask)
    assert float(losses.normal) == pytest.approx(normal, rel=1e-12)
    assert float(losses.corrupted) == pytest.approx(repaired, rel=1e-12)
    assert float(losses.total) == pytest.approx(normal + repaired, rel=1e-12)


@pytest.mark.parametrize("weight", ["difference", "mask"])
@pytest.mark.parametrize("lam", [0.0, 0.3, 1.0])
def test_amplify_is_equation_4(lam: float, weight: str, generator: torch.Generator) -> None:
    reconstruction, clean, corrupted, mask = batch(generator)
    losses = Amplify(lam, weight)(reconstruction, clean, corrupted, mask)
    w = (corrupted - clean).abs() if weight == "difference" else mask
    expected = (1 - lam) * by_the_equation(reconstruction, clean, 1 - mask) - lam * by_the_equation(
        reconstruction, clean, w
    )
    assert losses.total.shape == ()
    assert float(losses.total) == pytest.approx(expected, rel=1e-12)


OBJECTIVES = [Filter(0.4), Amplify(0.4), Amplify(0.4, "mask")]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_gradcheck(objective: torch.nn.Module, generator: torch.Generator) -> None:
    reconstruction, clean, corrupted, mask = batch(generator)
    reconstruction.requires_grad_()
    assert torch.autograd.gradcheck(lambda r: objective(r, clean, corrupted, mask).total, (reconstruction,))


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("fill", [0.0, 1.0])
def test_an_empty_region_counts_as_zero(objective: torch.nn.Module, fill: float, generator: torch.Generator) -> None:
    reconstruction, clean, _, mask = batch(generator)
    reconstruction.requires_grad_()
    losses = objective(reconstruction, clean, clean, torch.full_like(mask, fill))
    losses.total.backward()
    assert all(torch.isfinite(value) for value in losses)
    assert torch.isfinite(reconstruction.grad).all()
    assert not (losses.corrupted if fill == 0 else losses.normal).detach().any()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_perfect_reconstruction_costs_nothing(objective: torch.nn.Module, generator: torch.Generator) -> None:
    _, clean, corrupted, mask = batch(generator)
    assert float(objective(clean, clean, corrupted, mask).total) == 0


def test_amplify_rewards_errors_only_where_something_changed(generator: torch.Generator) -> None:
    reconstruction, clean, _, mask = batch(generator)
    assert float(Amplify(1.0, "difference")(reconstruction, clean, clean, mask).total) == 0
    assert float(Amplify(1.0, "mask")(reconstruction, clean, clean, mask).total) < 0


@pytest.mark.parametrize("lam", [-0.1, 1.1, float("nan")])
@pytest.mark.parametrize("kind", [Filter, Amplify])
def test_lam_outside_its_range(kind: type, lam: float) -> None:
    with pytest.raises(ValueError, match=r"lam \(=.*\) must lie in \[0, 1\]"):
        kind(lam)


def test_unknown_weight() -> None:
    with pytest.raises(ValueError, match="weight .='squared'. must be one of"):
        Amplify(0.5, "squared")


def halves(mask: Tensor) -> Tensor:
    """Regions of interest: the left columns, a chequerboard, and everything."""
    rows, columns = torch.meshgrid(*map(torch.arange, mask.shape[-2:]), indexing="ij")
    return torch.stack([columns < 2, (rows + columns) % 2 == 0, rows >= 0]).unsqueeze(1)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_nothing_outside_the_region_of_interest_counts(objective: torch.nn.Module, generator: torch.Generator) -> None:
    reconstruction, clean, corrupted, mask = batch(generator)
    roi = halves(mask)
    inputs = (reconstruction, clean, corrupted, mask)
    others = [part.where(roi, torch.rand(part.shape, generator=generator, dtype=part.dtype)) for part in inputs]
    found = []
    for output, *rest in (inputs, others):
        output = output.clone().requires_grad_()
        losses = objective(output, *rest, roi)
        losses.total.backward()
        assert not output.grad[~roi.expand_as(output)].any()
        found.append((*(loss.detach() for loss in losses), output.grad))
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_a_region_of_interest_belongs_to_the_norms_of_equation_1(generator: torch.Generator) -> None:
    reconstruction, clean, corrupted, mask = batch(generator)
    roi = halves(mask)
    losses = Filter(0.3)(reconstruction, clean, corrupted, mask, roi)
    assert float(losses.normal) == pytest.approx(0.7 * by_the_equation(reconstruction, clean, (1 - mask) * roi))
    assert float(losses.corrupted) == pytest.approx(0.3 * by_the_equation(reconstruction, clean, mask * roi))
    everything = torch.ones_like(roi)
    for objective in OBJECTIVES:
        whole = objective(reconstruction, clean, corrupted, mask)
        assert all(map(torch.equal, objective(reconstruction, clean, corrupted, mask, everything), whole))
