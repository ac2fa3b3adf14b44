from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fae.metric.aupro import LIMITS, aupro, region_weights
from fae.metric.auroc import auroc
from fae.metric.counts import bins, lower_edge, pro, roc
from fae.metric.precision_recall import average_precision, best_f1
from fae.metric.streaming import StreamingPixelMetrics

Draw = Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float64]]
SCORES: dict[str, Draw] = {
    "heavy tails": lambda rng, shape: rng.lognormal(-9, 2.5, shape),
    "ties": lambda rng, shape: rng.integers(0, 6, shape) / 8,
    "constant": lambda rng, shape: np.full(shape, 0.25),
    "signs": lambda rng, shape: rng.normal(0, 1, shape),
    "one binade": lambda rng, shape: 1 + rng.random(shape) / 64,
}


def exact(maps: NDArray[np.float32], mask: NDArray[np.bool_]) -> dict[str, float]:
    normal, anomalous = maps[~mask], maps[mask]
    f1 = best_f1(normal, anomalous)
    values = {
        "auroc": auroc(normal, anomalous),
        "average_precision": average_precision(normal, anomalous),
        "best_f1": f1.value if f1 else None,
    } | {f"aupro_{limit}": aupro(normal, anomalous, region_weights(mask), limit) for limit in LIMITS}
    return {name: value for name, value in values.items() if value is not None}


def stream(maps: NDArray[np.float32], mask: NDArray[np.bool_], bits: int = 20) -> dict[str, float]:
    metric = StreamingPixelMetrics(bits, regions=True)
    for one, true in zip(maps, mask, strict=True):
        metric.update(torch.from_numpy(one)[None, None], torch.from_numpy(true)[None, None])
    return {name: float(value) for name, value in metric.compute().items()}


@pytest.mark.parametrize("bits", [10, 14, 20])
@pytest.mark.parametrize("draw", SCORES.values(), ids=SCORES.keys())
@given(seed=st.integers(0, 10_000), shift=st.sampled_from([0.0, 0.5]))
@settings(max_examples=8, deadline=None)
def test_the_exact_value_lies_within_the_stated_bound(draw: Draw, bits: int, seed: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((3, 12, 15)) > 0.8
    maps = (draw(rng, mask.shape) * (1 + shift * mask)).astype(np.float32)
    found = stream(maps, mask, bits)
    for name, value in exact(maps, mask).items():
        assert abs(found[name] - value) <= found[f"{name}_error"] + 1e-9, name
        assert 0 <= found[f"{name}_error"] <= 1


def test_at_twenty_bits_the_error_is_small_on_heavy_tails() -> None:
    rng = np.random.default_rng(0)
    mask = np.zeros((4, 256, 256), dtype=bool)
    mask[:, 100:130, 60:90] = mask[:, 200:203, 10:14] = True
    maps = (rng.lognormal(-9, 2.5, mask.shape) * (1 + 5 * mask)).astype(np.float32)
    found, wanted = stream(maps, mask), exact(maps, mask)
    assert abs(found["auroc"] - wanted["auroc"]) < 1e-5
    assert found["auroc_error"] < 1e-4
    assert found["average_precision"] == pytest.approx(wanted["average_precision"], abs=1e-4)
    assert found["best_f1"] == pytest.approx(wanted["best_f1"], abs=1e-4)
    for name in ("aupro_0.3", "aupro_0.05"):
        assert abs(found[name] - wanted[name]) < 1e-4
        assert found[f"{name}_error"] < 1e-3
    threshold = found["threshold_of_best_f1"]
    true = (maps >= threshold) & mask
    assert 2 * true.sum() / ((maps >= threshold).sum() + mask.sum()) == pytest.approx(found["best_f1"], abs=1e-12)


@given(values=st.lists(st.floats(width=32, allow_nan=False), min_size=2, max_size=20), bits=st.sampled_from([10, 20]))
@settings(max_examples=100, deadline=None)
def test_bins_keep_the_order_and_know_their_edge(values: list[float], bits: int) -> None:
    score = torch.tensor(sorted(values), dtype=torch.float32)
    index = bins(score, bits)
    assert (index.diff() >= 0).all()
    assert 0 <= int(index.min()) <= int(index.max()) < 2**bits
    edges = [lower_edge(int(i), bits) for i in index]
    assert all(edge <= value for edge, value in zip(edges, score.tolist(), strict=True))
    assert bins(torch.tensor(edges), bits).tolist() == index.tolist()


def test_both_zeros_are_equal() -> None:
    assert bins(torch.tensor([0.0, -0.0])).unique().numel() == 1


def test_counts_add_up_over_processes(generator: torch.Generator) -> None:
    score = torch.randn(6, 20, generator=generator)
    target = torch.rand(6, 20, generator=generator) > 0.7
    together, first, second = (StreamingPixelMetrics(bits=12) for _ in range(3))
    together.update(score, target)
    first.update(score[:2], target[:2])
    second.update(score[2:], target[2:])
    for name in ("normal", "anomalous", "region"):
        setattr(first, name, getattr(first, name) + getattr(second, name))
    for name, value in together.compute().items():
        assert first.compute()[name] == pytest.approx(float(value), abs=1e-12)
    together.reset()
    together.update(score[:0], target[:0])
    assert all(torch.isnan(value) for value in together.compute().values())


def test_bad_input() -> None:
    for bits in (9, 25):
        with pytest.raises(ValueError, match=rf"bits \(={bits}\) must lie in 10 to 24"):
            StreamingPixelMetrics(bits=bits)
    with pytest.raises(ValueError, match="a score is NaN"):
        StreamingPixelMetrics(bits=10).update(torch.tensor([1.0, float("nan")]), torch.tensor([True, False]))


def test_pixels_that_are_not_judged_stay_out_with_their_share_of_a_region() -> None:
    """The region's weight stays one over its whole area."""
    rng = np.random.default_rng(3)
    mask = np.zeros((2, 1, 16, 16), dtype=bool)
    mask[:, :, 4:9, 4:9] = mask[:, :, 12, 12] = True
    maps = (rng.random(mask.shape) + 0.3 * mask).astype(np.float32)
    judged = np.ones_like(mask)
    judged[:, :, :, 7:10] = False
    metric = StreamingPixelMetrics(24, regions=True)
    metric.update(*(torch.from_numpy(a) for a in (maps, mask, judged)))
    weight = np.zeros(mask.shape)
    weight[mask] = region_weights(mask[:, 0])
    normal, anomalous = maps[judged & ~mask], maps[judged & mask]
    assert float(metric.compute()["auroc"]) == pytest.approx(auroc(normal, anomalous), abs=1e-6)
    wanted = aupro(normal, anomalous, weight[judged & mask])
    assert float(metric.compute()["aupro_0.3"]) == pytest.approx(wanted, abs=1e-6)


def test_curves_end_where_everything_is_found() -> None:
    metric = StreamingPixelMetrics(regions=True)
    mask = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    mask[..., 0, 0] = mask[..., 2:, 2:] = True
    metric.update(torch.arange(16.0).view(1, 1, 4, 4), mask)
    for curve in (roc(metric.counts()), pro(metric.counts())):
        assert curve.false_positive_rate[0] == curve.found[0] == 0
        assert curve.false_positive_rate[-1] == curve.found[-1] == 1
    # The threshold between 10 and 9 finds four of five pixels, one of two regions, and two false alarms of eleven.
    counts = metric.counts()
    at = int((counts.bin >= int(bins(torch.tensor(10.0)))).sum())
    assert (roc(counts).found[at], pro(counts).found[at]) == (0.8, 0.5)
    assert roc(counts).false_positive_rate[at] == pytest.approx(2 / 11)
