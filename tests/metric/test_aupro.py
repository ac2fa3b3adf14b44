import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import label

from fae.metric.aupro import aupro, region_weights
from fae.metric.auroc import auroc


def slow_aupro(maps: NDArray[np.float32], mask: NDArray[np.bool_], limit: float) -> float:
    """The definition, threshold by threshold and region by region."""
    regions = []
    for i, one in enumerate(mask):
        labels, count = label(one, structure=np.ones((3, 3)))
        for j in range(1, count + 1):
            region = np.zeros_like(mask)
            region[i] = labels == j
            regions.append(region)
    rates, overlaps = [0.0], [0.0]
    for threshold in sorted(set(maps.flatten().tolist()), reverse=True):
        found = maps >= threshold
        rates.append(float(found[~mask].mean()))
        overlaps.append(float(np.mean([found[region].mean() for region in regions])))
    # In steps of one rate the curve jumps; cut it at the limit by interpolation within the segment that crosses it.
    area = 0.0
    for x0, x1, y0, y1 in zip(rates, rates[1:], overlaps, overlaps[1:], strict=False):
        if x0 >= limit or x1 == x0:
            continue
        end = min(x1, limit)
        y_end = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
        area += (end - x0) * (y0 + y_end) / 2
    return area / limit


@given(seed=st.integers(0, 10_000), limit=st.sampled_from([0.05, 0.3, 1.0]), levels=st.sampled_from([4, 30, 10_000]))
@settings(max_examples=60, deadline=None)
def test_against_the_definition(seed: int, limit: float, levels: int) -> None:
    """Few levels are many ties."""
    rng = np.random.default_rng(seed)
    mask = rng.random((3, 9, 11)) > 0.75
    maps = (rng.random(mask.shape) * levels).astype(int).astype(np.float32) + 2 * mask * rng.integers(0, 2)
    value = aupro(maps[~mask], maps[mask], region_weights(mask), limit)
    assert value == pytest.approx(slow_aupro(maps, mask, limit), abs=1e-12)


def test_regions_touch_at_corners() -> None:
    mask = np.zeros((2, 4, 4), dtype=bool)
    mask[0, 0, 0] = mask[0, 1, 1] = mask[0, 3, 3] = mask[1, 0, :] = True
    np.testing.assert_allclose(region_weights(mask), [0.5, 0.5, 1, 0.25, 0.25, 0.25, 0.25])


def test_small_regions_count_as_much_as_large_ones() -> None:
    """Half of the regions is found before any false alarm: one pixel of it, or a hundred."""
    mask = np.zeros((1, 20, 20), dtype=bool)
    mask[0, 0, 0] = mask[0, 5:15, 5:15] = True
    for lost in ((0, 0, 0), (0, slice(5, 15), slice(5, 15))):
        maps = mask.astype(np.float32)
        maps[lost] = 0
        # What is not found ties with every normal pixel: its overlap rises by a straight line.
        assert aupro(maps[~mask], maps[mask], region_weights(mask), 0.3) == pytest.approx(0.5 + 0.5 * 0.15)


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_single_pixels_and_limit_one_make_it_the_auroc(seed: int) -> None:
    rng = np.random.default_rng(seed)
    normal, anomalous = rng.integers(0, 20, 50).astype(np.float32), rng.integers(5, 25, 30).astype(np.float32)
    assert aupro(normal, anomalous, np.ones(30), 1.0) == pytest.approx(auroc(normal, anomalous), abs=1e-12)


def test_missing_class_and_wrong_limit() -> None:
    some, none = np.float32([1, 2]), np.float32([])
    assert aupro(none, some, np.ones(2)) is None
    assert aupro(some, none, np.ones(0)) is None
    for limit in (0.0, -1.0, 1.5, float("nan")):
        with pytest.raises(ValueError, match="limit .* must lie in"):
            aupro(some, some, np.ones(2), limit)
