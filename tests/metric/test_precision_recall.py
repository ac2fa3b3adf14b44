import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, precision_recall_curve

from fae.metric.precision_recall import average_precision, best_f1

scores = st.lists(st.integers(-20, 20).map(lambda i: i / 4), min_size=1, max_size=60)


@given(normal=scores, anomalous=scores)
@settings(max_examples=100, deadline=None)
def test_against_scikit_learn(normal: list[float], anomalous: list[float]) -> None:
    """Few levels: many ties."""
    a, b = np.float32(normal), np.float32(anomalous)
    label, score = [0] * len(a) + [1] * len(b), np.concatenate([a, b])
    assert average_precision(a, b) == pytest.approx(average_precision_score(label, score), abs=1e-12)
    precision, recall, _ = precision_recall_curve(label, score)
    curve = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    found = best_f1(a, b)
    assert found is not None
    assert found.value == pytest.approx(curve.max(), abs=1e-12)
    assert f1_score(label, score >= found.threshold) == pytest.approx(found.value, abs=1e-12)


def test_by_hand() -> None:
    normal, anomalous = np.float32([1, 2, 3]), np.float32([4, 2.5])
    assert average_precision(normal, anomalous) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    found = best_f1(normal, anomalous)
    assert found is not None
    assert found.threshold == 2.5
    assert found.value == pytest.approx(4 / 5)


def test_a_missing_class_is_undefined() -> None:
    some, none = np.float32([1, 2]), np.float32([])
    for measure in (average_precision, best_f1):
        assert measure(some, none) is None
        assert measure(none, some) is None
