import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fae.score.percent import anomaly_percent, percent_width

NORMALS = np.float32([0.9, 1.0, 1.1, 1.3, 1.6])


def test_a_typical_good_image_shows_5_and_its_mirror_image_95() -> None:
    width = percent_width(NORMALS, 1.5)
    assert anomaly_percent(1.1, 1.5, width) == pytest.approx(5, abs=1e-4)
    assert anomaly_percent(1.5, 1.5, width) == 50
    assert anomaly_percent(1.9, 1.5, width) == pytest.approx(95, abs=1e-4)


def test_without_a_threshold_the_width_is_that_of_the_highest_normal() -> None:
    width = percent_width(NORMALS, None)
    assert width == pytest.approx((1.6 - 1.1) / math.log(19), rel=1e-6)
    assert anomaly_percent(3.0, None, width) is None
    assert anomaly_percent(3.0, 3.0, width) == 50, "a threshold that a user sets moves the centre"
    assert anomaly_percent(2.5, 3.0, width) == pytest.approx(5, abs=1e-4), "and leaves the width"


@given(st.floats(-1e30, 1e30), st.floats(-1e30, 1e30), st.floats(-1e6, 1e6), st.floats(1e-9, 1e6))
def test_it_rises_and_stays_within_0_and_100(one: float, other: float, threshold: float, width: float) -> None:
    low, high = (anomaly_percent(score, threshold, width) for score in sorted((one, other)))
    assert low is not None
    assert high is not None
    assert 0 <= low <= high <= 100
    if abs(one - threshold) < 300 * width:
        assert anomaly_percent(one, threshold, width) == pytest.approx(
            100 / (1 + math.exp(-(one - threshold) / width)), rel=1e-6, abs=1e-9
        )


def test_nothing_tells_a_width() -> None:
    assert percent_width(np.float32([]), 1.0) is None
    assert percent_width(np.float32([2, 2, 2]), None) is None
    assert percent_width(NORMALS, float(np.float32(1.1))) is None, "the median is the threshold"
    assert anomaly_percent(1.0, 1.0, None) is None


def test_a_threshold_below_the_typical_image_calls_it_anomalous() -> None:
    width = percent_width(NORMALS, 1.0)  # a rate of false alarms above one half
    assert anomaly_percent(1.1, 1.0, width) == pytest.approx(95, abs=1e-4)
