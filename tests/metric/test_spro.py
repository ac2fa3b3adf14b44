"""The saturated per-region overlap, against its definition."""

import numpy as np
import pytest

from fae.metric.aupro import aupro, region_weights
from fae.metric.spro import spro


def by_definition(normal: np.ndarray, regions: list[tuple[np.ndarray, float]], limit: float) -> float:
    """Every score is a threshold; the curve is straight between neighbouring ones; Bergmann et al. 2022, eq. 1."""
    thresholds = np.unique(np.concatenate([normal, *(scores for scores, _ in regions)]))[::-1]
    rate = np.array([0.0, *((normal >= t).mean() for t in thresholds)])
    found = [0.0, *(np.mean([min((s >= t).sum() / a, 1) for s, a in regions]) for t in thresholds)]
    inside = rate <= limit
    x, y = np.append(rate[inside], limit), np.append(np.array(found)[inside], np.interp(limit, rate, found))
    return float(np.trapezoid(y, x) / limit)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
def test_equals_its_definition(seed: int, limit: float) -> None:
    rng = np.random.default_rng(seed)
    normal = rng.permutation(400)[:300].astype(np.float32)
    rest = rng.permutation(np.setdiff1d(np.arange(600), normal)).astype(np.float32)
    regions = [(rest[:20], 7.0), (rest[20:25], 5.0), (rest[25:80], 1.0)]
    assert spro(normal, regions, limit) == pytest.approx(by_definition(normal, regions, limit), abs=1e-9)


def test_with_whole_areas_it_is_aupro() -> None:
    rng = np.random.default_rng(0)
    mask = np.zeros((1, 12, 12), bool)
    mask[0, :3, :3] = mask[0, 6:8, 5:11] = True
    scores = rng.normal(size=mask.shape).astype(np.float32)
    regions = [(scores[0, :3, :3].ravel(), 9.0), (scores[0, 6:8, 5:11].ravel(), 12.0)]
    expected = aupro(scores[~mask], scores[mask], region_weights(mask), 0.3)
    assert spro(scores[~mask], regions, 0.3) == pytest.approx(expected, abs=1e-12)


def test_half_a_region_is_enough_where_it_saturates() -> None:
    normal = np.float32([0.5] * 10)
    half = np.float32([0.9, 0.8, 0.1, 0.0])
    assert spro(normal, [(half, 2.0)], 0.3) == 1.0
    assert spro(normal, [(half, 4.0)], 0.3) == pytest.approx(0.5)
    assert spro(normal, [], 0.3) is None
    assert spro(normal[:0], [(half, 2.0)], 0.3) is None
