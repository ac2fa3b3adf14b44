import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from fae.metric.auroc import auroc
from fae.metric.trivial import IMAGE_STATISTICS, PIXEL_STATISTICS, darkest, darkness, high_frequency, local_contrast

scores = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60)


@given(normal=scores, anomalous=scores)
@settings(max_examples=100, deadline=None)
def test_auroc_against_scikit_learn(normal: list[float], anomalous: list[float]) -> None:
    a, b = np.float32(normal), np.float32(anomalous)
    expected = roc_auc_score([0] * len(a) + [1] * len(b), np.concatenate([a, b]))
    assert auroc(a, b) == pytest.approx(expected, abs=1e-12)


def test_auroc_by_hand() -> None:
    assert auroc(np.float32([1, 2]), np.float32([3])) == 1
    assert auroc(np.float32([1, 2]), np.float32([2, 0])) == (1.5 + 0) / 4
    assert auroc(np.float32([1, 1]), np.float32([1])) == 0.5


def test_auroc_on_heavy_tails_with_ties() -> None:
    """Squared residuals: a histogram of equal bins is wrong here by 0.1."""
    rng = np.random.default_rng(0)
    normal = np.round(rng.lognormal(-9, 2.5, 20_000), 6).astype(np.float32)
    anomalous = np.round(rng.lognormal(-8, 2.5, 3_000), 6).astype(np.float32)
    expected = roc_auc_score([0] * 20_000 + [1] * 3_000, np.concatenate([normal, anomalous]))
    assert auroc(normal, anomalous) == pytest.approx(expected, abs=1e-12)


@given(normal=scores, anomalous=scores)
@settings(max_examples=50, deadline=None)
def test_auroc_ignores_monotone_rescaling(normal: list[float], anomalous: list[float]) -> None:
    a, b = np.float32(normal), np.float32(anomalous)
    assert auroc(a * 2, b * 2) == auroc(a, b)
    assert auroc(b, a) == pytest.approx(1 - auroc(a, b), abs=1e-12)


def test_a_missing_class_is_undefined() -> None:
    assert auroc(np.float32([]), np.float32([1])) is None
    assert auroc(np.float32([1]), np.float32([])) is None


def test_trivial_statistics(generator: torch.Generator) -> None:
    image = torch.rand(2, 3, 20, 24, generator=generator) * 0.2 + 0.5
    for statistic in IMAGE_STATISTICS.values():
        assert statistic(image).shape == (2,)
    for statistic in PIXEL_STATISTICS.values():
        assert statistic(image).shape == (2, 1, 20, 24)
    speck = image.clone()
    speck[..., 10, 10] = 0
    assert (darkest(speck) > darkest(image)).all()
    assert darkness(speck)[0].argmax() == 10 * 24 + 10
    flat = torch.full((1, 3, 20, 24), 0.5)
    assert float(high_frequency(flat)) == pytest.approx(0, abs=1e-9)
    edge = flat.clone()
    edge[..., 12:] = 0.9
    contrast = local_contrast(edge)[0, 0]
    assert contrast[:, 12].min() > 0.15
    assert contrast[:, :6].max() < 1e-3
