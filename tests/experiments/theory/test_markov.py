import math

import pytest
import torch
from torch import Generator

from experiments.theory.markov import RandomField, bound, gaps, square


@pytest.mark.parametrize("spread", [0.3, 1.0, 4.0, None])
def test_pixels_are_identically_distributed_with_the_stated_variance(
    spread: float | None, generator: Generator
) -> None:
    field = RandomField(8, 2.0, spread)
    values = field.sample(20_000, generator)
    assert values.shape == (20_000, 8, 8)
    variance = values.var(dim=0)
    # The standard error of a variance of 20,000 values is about 1 % of it.
    torch.testing.assert_close(variance, torch.full_like(variance, field.variance), rtol=0.06, atol=0)
    middle = 0.0 if spread is None else 0.5
    assert (values.mean(dim=0) - middle).abs().max() < 5 * math.sqrt(field.variance / 20_000)
    if spread is not None:
        assert values.min() >= 0
        assert values.max() <= 1


def test_uniform_pixels() -> None:
    assert RandomField(4, spread=1.0).variance == pytest.approx(1 / 12)
    assert RandomField(4, spread=1e9).variance == pytest.approx(1 / 4)
    assert bound(1 / 4) == pytest.approx(1 / 3)
    assert bound(1.0) == pytest.approx(2 / 3)


def test_the_field_is_markov_of_order_1(generator: Generator) -> None:
    # The inverse covariance of a Gaussian field is 0 but for neighbours on the torus.
    side = 4
    z = RandomField(side, 1.5, None).sample(200_000, generator).flatten(1)
    precision = torch.linalg.inv(torch.cov(z.T)).view(side, side, side, side)[0, 0]
    scaled = precision / precision[0, 0]
    expected = torch.zeros(side, side).double()
    expected[0, 0] = 1
    for i, j in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        expected[i, j] = -1 / (1.5**-2 + 4)
    torch.testing.assert_close(scaled, expected, atol=0.02, rtol=0)


def test_covariance_vanishes_with_distance(generator: Generator) -> None:
    z = RandomField(32, 3.0, None).sample(4000, generator)
    covariance = [(z[:, 0, 0] * z[:, 0, d]).mean().item() for d in (0, 1, 4, 16)]
    assert covariance == sorted(covariance, reverse=True)
    assert abs(covariance[-1]) < 0.06
    assert covariance[1] > 0.3


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_proposition_2(share: float, generator: Generator) -> None:
    field, region = RandomField(12, 2.0), square(12, share)
    inside, outside = int(region.sum()), int((~region).sum())
    found = gaps(field, region, 8000, generator)
    error = 4 * float(found.std()) / math.sqrt(len(found))
    assert float(found.mean()) == pytest.approx((inside - outside) * 2 * field.variance, abs=error)


def test_violations_die_out_inside_the_bound_and_below_one_half(generator: Generator) -> None:
    for share in (0.3, 0.45):
        rates = [
            (gaps(RandomField(side, 2.0, 1.0), square(side, share), 800, generator) > 0).double().mean().item()
            for side in (4, 16, 48)
        ]
        assert rates[0] > rates[1] >= rates[2]
        assert rates[2] < 0.02


def test_a_counterexample_beyond_unit_range(generator: Generator) -> None:
    # σ² = 1 allows |S| < 2 |S̄|, but then nearly every pair violates the premise: values must lie in [0, 1].
    field = RandomField(48, 2.0, None)
    region = square(48, 0.6)
    assert float(region.double().mean()) < bound(field.variance)
    assert (gaps(field, region, 400, generator) > 0).double().mean() > 0.95


def test_square() -> None:
    assert square(10, 0.25).sum() == 25
    assert square(10, 0.25)[2:7, 2:7].all()
    assert square(7, 1.0).all()
    assert not square(7, 0.0).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0,), "side"), ((4, 0.0), "length_px"), ((4, 1.0, -1.0), "spread")],
)
def test_bad_input(arguments: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RandomField(*arguments)  # type: ignore[arg-type]
