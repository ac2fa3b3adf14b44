import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.theory.projection import condition, nearer, premise, projection

seeds = st.integers(0, 2**31)


def points(seed: int, count: int, size: int, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(count, size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@given(seed=seeds, size=st.integers(1, 12), scale=st.floats(0.01, 10))
@settings(deadline=None)
def test_the_projection_is_the_nearest_point_of_the_line(seed: int, size: int, scale: float) -> None:
    damaged, clean, other = points(seed, 3, size, scale)
    p = projection(damaged, clean, other)
    assert torch.allclose(((damaged - p) * (other - clean)).sum(), torch.tensor(0.0).double(), atol=1e-9 * scale**2)
    for step in (-0.1, 0.1):
        aside = p + step * (other - clean)
        assert (damaged - p).norm() <= (damaged - aside).norm() + 1e-9 * scale


def test_the_condition_in_its_cases() -> None:
    clean, other = torch.tensor([0.0, 0.0]), torch.tensor([1.0, 0.0])
    between, behind, beyond = torch.tensor([[0.5, 3.0], [-7.0, 1.0], [1.5, 0.0]])
    assert condition(between, clean, other), "case 1"
    assert condition(behind, clean, other), "case 2"
    assert not condition(beyond, clean, other), "p lies beyond y"
    assert condition(other, clean, other), "patch swapping, the boundary of case 1"
    assert condition(beyond, clean, clean.clone()), "no line: p is x"


@given(seed=seeds, size=st.integers(2, 20), inside=st.floats(0.05, 0.95), scale=st.floats(0.01, 5))
@settings(deadline=None, max_examples=300)
def test_proposition_1(seed: int, size: int, inside: float, scale: float) -> None:
    # Eq. 6 and the premise of eq. 5 suffice, whatever the damage.
    count = 200
    region = torch.zeros(size, dtype=torch.bool)
    region[: max(1, min(size - 1, round(inside * size)))] = True
    clean, other, noise = points(seed, 3 * count, size).chunk(3)
    damaged = torch.where(region, clean + scale * noise, clean)
    allowed = condition(damaged[..., region], clean[..., region], other[..., region]) & premise(clean, other, region)
    close = torch.isclose((damaged - clean).norm(dim=-1), (damaged - other).norm(dim=-1), rtol=1e-9)
    assert (nearer(damaged, clean, other) | close)[allowed].all()


def test_proposition_1_needs_both_conditions() -> None:
    # One pixel damaged of two; y differs from x by 1 in S and by 1 outside.
    region = torch.tensor([True, False])
    clean, other = torch.tensor([0.0, 0.0]), torch.tensor([1.0, 1.0])
    assert premise(clean, other, region)
    assert not nearer(torch.tensor([1.5, 0.0]), clean, other), "p beyond y"
    close_outside = torch.tensor([1.0, 0.5])
    assert not premise(clean, close_outside, region)
    assert not nearer(torch.tensor([0.9, 0.0]), clean, close_outside), "most of the difference lies in S"


@given(seed=seeds)
@settings(deadline=None)
def test_theorem_1_for_a_projection_onto_a_finite_set(seed: int) -> None:
    # F(x̂) = x is the nearest member of D if all others fulfil both conditions.
    images = points(seed, 12, 30)
    region = torch.arange(30) < 8
    clean, others = images[0], images[1:]
    damaged = torch.where(region, clean + 2 * points(seed + 1, 1, 30)[0], clean)
    ok = condition(damaged[region].expand(11, 8), clean[region].expand(11, 8), others[:, region])
    ok &= premise(clean.expand(11, 30), others, region)
    nearest = (damaged - images).norm(dim=-1)
    assert (nearest[0] <= nearest[1:] + 1e-12)[ok].all()


def test_the_law_can_fail() -> None:
    # Random damage without the conditions does violate the conclusion, so the laws above test something.
    clean, other, noise = points(0, 3000, 4).chunk(3)
    region = torch.tensor([True, True, True, False])
    damaged = torch.where(region, clean + 5 * noise, clean)
    assert 0.05 < (~nearer(damaged, clean, other)).double().mean() < 0.6
