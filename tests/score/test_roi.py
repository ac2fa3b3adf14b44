"""What lies outside a region of interest changes no residual, no map and no score."""

import pytest
import torch
from torch import Tensor, nn

from fae.head.none import NoHead
from fae.metric.trivial import IMAGE_STATISTICS, PIXEL_STATISTICS
from fae.network import Network
from fae.score.average import damping, damping_by_others
from fae.score.image_score import IMAGE_SCORES
from fae.score.residual.msgms import GradientDissimilarity
from fae.score.residual.one_sided import OneSided
from fae.score.residual.squared import Squared
from fae.score.residual.ssim import Dissimilarity
from fae.score.rule.soft_maximum import SoftMaximum
from fae.score.score import Score, image_scores
from fae.score.smoothing import smooth
from fae.space.pixel import Pixel
from fae.types import Residual

SHAPE = (3, 1, 24, 20)
RESIDUALS: list[Residual] = [
    Squared(),
    OneSided("darker"),
    OneSided("brighter"),
    Dissimilarity(),
    GradientDissimilarity(),
]


def regions(generator: torch.Generator) -> Tensor:
    """A disc, a ragged band with holes, and a rectangle at the border."""
    rows, columns = torch.meshgrid(torch.arange(24), torch.arange(20), indexing="ij")
    ragged = (rows > 6) & (torch.rand(24, 20, generator=generator) < 0.7)
    return torch.stack([(rows - 12) ** 2 + (columns - 9) ** 2 < 50, ragged, (rows < 9) & (columns < 11)]).unsqueeze(1)


@pytest.fixture
def roi(generator: torch.Generator) -> Tensor:
    return regions(generator)


def changed(values: Tensor, roi: Tensor, generator: torch.Generator) -> Tensor:
    """Other values wherever nothing counts."""
    return values.where(roi, 5 * torch.rand(values.shape, generator=generator))


@pytest.mark.parametrize(("k", "n"), [(3, 0), (3, 1), (5, 3), (31, 2)])
def test_smoothing_sees_the_region_alone(k: int, n: int, roi: Tensor, generator: torch.Generator) -> None:
    residual = torch.rand(SHAPE, generator=generator)
    found = smooth(residual, k, n, roi)
    assert torch.equal(found, smooth(changed(residual, roi, generator), k, n, roi))
    assert not found[~roi].any()
    cropped = smooth(residual[2:, :, :9, :11], k, n)
    torch.testing.assert_close(found[2:, :, :9, :11], cropped, msg="a rectangle is as the border of an image")
    constant = torch.full(SHAPE, 0.3)
    torch.testing.assert_close(smooth(constant, k, n, roi), constant * roi)
    torch.testing.assert_close(smooth(residual, k, n, torch.ones(SHAPE, dtype=torch.bool)), smooth(residual, k, n))
    torch.testing.assert_close(smooth(smooth(residual, k, 1, roi), k, n, roi), smooth(residual, k, n + 1, roi))


@pytest.mark.parametrize("residual", RESIDUALS, ids=lambda one: one.name)
def test_residuals_compare_the_region_alone(residual: Residual, roi: Tensor, generator: torch.Generator) -> None:
    image, other = (torch.rand(3, 3, 24, 20, generator=generator) for _ in range(2))
    found = residual(image, other, roi)
    again = residual(changed(image, roi, generator), changed(other, roi, generator), roi)
    assert torch.equal(found.where(roi, 0), again.where(roi, 0))
    everything = torch.ones(SHAPE, dtype=torch.bool)
    torch.testing.assert_close(residual(image, other, everything), residual(image, other), atol=2e-6, rtol=1e-4)
    if residual.name not in ("ssim", "msgms"):  # whose windows reach over the border
        cropped = residual(image[2:, :, :9, :11], other[2:, :, :9, :11])
        torch.testing.assert_close(found[2:, :, :9, :11], cropped)


class Pixelwise(nn.Module):
    """A network whose output at a pixel depends on that pixel alone."""

    def forward(self, point: Tensor) -> Tensor:
        return (0.8 * point + 0.1).clamp(0, 1)


@pytest.mark.parametrize("image_score", IMAGE_SCORES, ids=lambda one: one.name)
@pytest.mark.parametrize("residual", RESIDUALS, ids=lambda one: one.name)
def test_no_map_and_no_score_depends_on_what_lies_outside(
    residual: Residual, image_score: type, roi: Tensor, generator: torch.Generator
) -> None:
    network = Network(Pixel(), Pixelwise(), NoHead())
    image = torch.rand(3, 3, 24, 20, generator=generator)
    found = []
    for seen in (image, changed(image, roi, generator).clamp(0, 1)):
        score = Score(residual, image_score(), k=5, n=2, t=30.0, rule=SoftMaximum())
        levels = network(seen, residual, roi=roi).levels
        score.calibrate_rule(levels, network.names, roi)
        held_out = score.calibrate(score.combined(levels, (24, 20), roi), roi, roi)
        maps = score.anomaly_map(score.combined(levels, (24, 20), roi), roi)
        assert not maps[~roi].any()
        assert maps[roi].any()
        found.append((held_out, maps, image_scores(score.image_score, maps, roi), score.rule.learned))
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


def test_coarse_cells_outside_do_not_reach_pixels_inside(roi: Tensor, generator: torch.Generator) -> None:
    levels = torch.rand(3, 2, 6, 5, generator=generator)
    cells = nn.functional.max_pool2d(roi.float(), 4) > 0
    score = Score(Squared(), IMAGE_SCORES[0](), rule=SoftMaximum())
    score.calibrate_rule(levels, ("a", "b"), roi)
    found = score.combined(levels, (24, 20), roi)
    other = changed(levels, cells, generator)
    again = Score(Squared(), IMAGE_SCORES[0](), rule=SoftMaximum())
    again.calibrate_rule(other, ("a", "b"), roi)
    assert torch.equal(score.rule.learned, again.rule.learned)
    assert torch.equal(found.where(roi, 0), again.combined(other, (24, 20), roi).where(roi, 0))
    constant = score.combined(torch.ones_like(levels), (24, 20), roi)[roi]
    torch.testing.assert_close(constant, constant[:1].expand_as(constant))
    everything = torch.ones(SHAPE, dtype=torch.bool)
    torch.testing.assert_close(score.combined(levels, (24, 20), everything), score.combined(levels, (24, 20)))


def test_an_average_map_is_that_of_the_images_that_judge_a_pixel(roi: Tensor, generator: torch.Generator) -> None:
    maps = torch.rand(SHAPE, generator=generator)
    factor, others = damping(maps, 1.0, roi), damping_by_others(maps, 1.0, roi)
    for row, column in [(3, 3), (12, 9), (20, 5)]:
        judged = [float(maps[i, 0, row, column]) for i in range(3) if roi[i, 0, row, column]]
        assert float(factor[0, 0, row, column]) == pytest.approx(1 - sum(judged) / max(1, len(judged)))
        for i in range(3):
            rest = [float(maps[j, 0, row, column]) for j in range(3) if j != i and roi[j, 0, row, column]]
            assert float(others[i, 0, row, column]) == pytest.approx(1 - sum(rest) / max(1, len(rest)))


def test_statistics_without_learning_look_at_the_region(roi: Tensor, generator: torch.Generator) -> None:
    image = torch.rand(3, 3, 24, 20, generator=generator)
    other = changed(image, roi, generator)
    everything = torch.ones(SHAPE, dtype=torch.bool)
    for statistic in IMAGE_STATISTICS.values():
        assert torch.equal(statistic(image, roi), statistic(other, roi))
        if statistic is not IMAGE_STATISTICS["high_frequency"]:  # whose border has no neighbours
            torch.testing.assert_close(statistic(image, everything), statistic(image))
    for by_pixel in PIXEL_STATISTICS.values():
        assert torch.equal(by_pixel(image, roi).where(roi, 0), by_pixel(other, roi).where(roi, 0))
        torch.testing.assert_close(by_pixel(image, everything), by_pixel(image), atol=1e-5, rtol=1e-4)
