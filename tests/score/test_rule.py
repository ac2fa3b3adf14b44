"""Laws of the rules that make one map of several levels."""

import pytest
import torch

from fae.score.image_score import Top
from fae.score.levels import by_level
from fae.score.residual.msgms import GradientDissimilarity
from fae.score.residual.one_sided import OneSided
from fae.score.residual.squared import Squared
from fae.score.residual.ssim import Dissimilarity
from fae.score.rule.soft_maximum import SoftMaximum
from fae.score.rule.total import Total
from fae.score.score import Score
from fae.types import Residual

NAMES = ("image", "stride 8", "stride 16")


def normal() -> torch.Tensor:
    """Levels of eight normal images: the second is a thousand times larger, and the third almost zero."""
    random = torch.Generator().manual_seed(0)
    return torch.randn(8, 3, 16, 16, generator=random).exp() * torch.tensor([1.0, 1000.0, 1e-6]).view(1, 3, 1, 1)


def test_one_level_in_sum_is_the_residual_to_the_bit() -> None:
    image, reconstruction = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8)
    levels = by_level(Squared(), image, reconstruction, (3,))
    assert torch.equal(Score(Squared(), Top(0.01)).combined(levels, (8, 8)), Squared()(image, reconstruction))


def test_each_level_is_compared_alone() -> None:
    point, reconstruction = torch.rand(2, 5, 4, 4), torch.rand(2, 5, 4, 4)
    levels = by_level(Squared(), point, reconstruction, (3, 2))
    assert torch.equal(levels[:, :1], Squared()(point[:, :3], reconstruction[:, :3]))
    assert torch.equal(levels[:, 1:], Squared()(point[:, 3:], reconstruction[:, 3:]))


@pytest.mark.parametrize("residual", [OneSided("darker"), Dissimilarity(), GradientDissimilarity()])
def test_residuals_of_images_refuse_features(residual: Residual) -> None:
    point = torch.rand(1, 24, 16, 16)
    with pytest.raises(
        ValueError, match=rf"score/residual={residual.name} compares images, not features of 24 channels"
    ):
        residual(point, point)


def test_levels_of_any_size_and_spread_count_alike() -> None:
    """What is as unusual in one level as in another has about the same value, whatever the levels' scales."""
    rule, levels = SoftMaximum(), normal()
    rule.calibrate(levels, NAMES)
    values = []
    for level in range(3):
        one = levels[:1].clone()
        one[0, level, 3, 4] = levels[:, level].quantile(0.99) ** 2 / levels[:, level].median()  # z = 2
        values.append(float(rule(one)[0, 0, 3, 4]))
        assert rule(one).flatten().argmax() == 3 * 16 + 4
    assert max(values) / min(values) == pytest.approx(1, abs=0.05)
    assert min(values) > float(torch.tensor(2.0).exp()) * 0.99


def test_a_scale_changes_nothing_after_calibration() -> None:
    first, second, factor = SoftMaximum(), SoftMaximum(), torch.tensor([5.0, 0.01, 100.0]).view(1, 3, 1, 1)
    levels = normal()
    first.calibrate(levels, NAMES)
    second.calibrate(levels * factor, NAMES)
    assert torch.allclose(first(levels), second(levels * factor), rtol=1e-3)


def test_sharpness_goes_from_the_sum_to_the_maximum() -> None:
    levels = normal()
    loud, soft = SoftMaximum(sharpness=1e3), SoftMaximum(sharpness=1.0)
    for rule in (loud, soft):
        rule.calibrate(levels, NAMES)
    assert loud.learned is not None
    z = (levels.log() - loud.learned[0].view(1, 3, 1, 1)) / loud.learned[1].view(1, 3, 1, 1)
    assert torch.allclose(loud(levels)[:, 0], z.amax(dim=1).exp(), rtol=0.01)
    assert torch.allclose(soft(levels)[:, 0], z.exp().sum(dim=1), rtol=1e-3)


def test_a_level_that_never_varied_stays_finite() -> None:
    """As before training, when F is the identity and no level has a residual."""
    rule = SoftMaximum([{"*": 10}])
    rule.calibrate(torch.zeros(4, 2, 8, 8), NAMES[:2])
    for value in (0.0, 1e-7, 1.0, 1e30):
        found = rule(torch.full((1, 2, 8, 8), value))
        assert found.isfinite().all()
        assert (found > 0).all()


def test_sums_compete() -> None:
    """A pattern shares its weight among the levels that match, and a name that is not there is left out."""
    levels, alone = normal(), SoftMaximum()
    both = SoftMaximum([{"image": 0.5}, {"stride *": 1, "head": 2}])
    with_head = torch.cat([levels, levels[:, :1]], dim=1)
    for rule in (alone, both):
        rule.calibrate(levels, NAMES)
    assert alone.learned is not None
    z = (levels.log() - alone.learned[0].view(1, 3, 1, 1)) / alone.learned[1].view(1, 3, 1, 1)
    strides = (z[:, 1] + z[:, 2]) / 2
    expected = torch.logsumexp(3 * torch.stack([z[:, 0] / 2, strides]), dim=0) / 3
    assert torch.allclose(both(levels)[:, 0], expected.exp(), rtol=1e-4)
    both.calibrate(with_head, (*NAMES, "head"))
    expected = torch.logsumexp(3 * torch.stack([z[:, 0] / 2, strides + 2 * z[:, 0]]), dim=0) / 3
    assert torch.allclose(both(with_head)[:, 0], expected.exp(), rtol=1e-4)


def test_a_weight_of_zero_leaves_a_level_out() -> None:
    levels, alone = normal(), SoftMaximum([{"image": 1}])
    without = SoftMaximum([{"image": 1, "stride *": 0}])
    alone.calibrate(levels[:, :1], NAMES[:1])
    without.calibrate(levels, NAMES)
    assert torch.equal(without(levels), alone(levels[:, :1]))


def test_a_sum_of_levels_that_are_not_there_is_passed_over() -> None:
    levels, alone, more = normal(), SoftMaximum([{"*": 1}]), SoftMaximum([{"*": 1}, {"nearest": 1}])
    for rule in (alone, more):
        rule.calibrate(levels, NAMES)
    assert torch.equal(alone(levels), more(levels))


def test_what_a_rule_refuses() -> None:
    with pytest.raises(ValueError, match=r"score.rule.sharpness \(=0\) must be positive"):
        SoftMaximum(sharpness=0)
    with pytest.raises(RuntimeError, match="needs calibrate"):
        SoftMaximum()(normal())
    for wrong in ({}, {"image": -1.0}, {"image": 0.0}, {"image": float("nan")}, "image"):
        with pytest.raises(ValueError, match=r"score.rule.sums \(=.*\) must be a list that gives each sum weights"):
            SoftMaximum([{"image": 1.0}, wrong])  # type: ignore[list-item]
    with pytest.raises(ValueError, match=r"score.rule.sums \(=.*\) must be a list that gives each sum weights"):
        SoftMaximum({"image": 1})  # type: ignore[arg-type]
    for sums in ([{"image": 1}, {"head": 1}], [{"image": 1, "stride 8": 1}]):
        with pytest.raises(ValueError, match=r"sums \(=.*\) must name each of the levels image, stride 8, stride 16"):
            SoftMaximum(sums).calibrate(normal(), NAMES)
    rule = SoftMaximum()
    rule.calibrate(normal(), NAMES)
    with pytest.raises(
        ValueError, match="must be the 3 of calibration; a score belongs to the space and the head of its own"
    ):
        rule(normal()[:, :2])
    Total().calibrate(normal(), NAMES)
    assert torch.equal(Total()(normal()), normal().sum(dim=1, keepdim=True))


def test_a_map_has_the_size_of_the_image() -> None:
    score = Score(Squared(), Top(0.01), k=3, n=1)
    assert score.combined(normal(), (40, 56)).shape == (8, 1, 40, 56)
    assert score.smoothed(normal()[:, :1], (40, 56)).shape == (8, 1, 40, 56)
    assert torch.equal(score.smoothed(normal()[:, :1], (16, 16)), score.anomaly_map(normal()[:, :1]))
