import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fae.score.threshold import Thresholds, TooFewNormalsError, exceeding


def test_the_threshold_is_the_score_that_few_enough_exceed() -> None:
    """Of 39 scores 0 … 38, two of forty may lie above: the second highest, 37, is the last that does not alarm."""
    score = np.random.default_rng(0).permutation(39).astype(np.float32)
    found = Thresholds(image_rate=0.05).image(score)
    assert (found.value, found.normals) == (37.0, 39)
    assert found.interval[0] < 0.05 < found.interval[1]


@pytest.mark.parametrize(("count", "rate"), [(19, 0.05), (60, 0.05), (9, 0.1), (199, 0.01)])
def test_new_normal_images_keep_to_the_rate_and_the_interval_to_its_confidence(count: int, rate: float) -> None:
    """The true rate of false alarms of an exponential distribution is known: exp(-threshold)."""
    rng = np.random.default_rng(count)
    thresholds = Thresholds(image_rate=rate, confidence=0.9)
    found = [thresholds.image(rng.exponential(size=count).astype(np.float32)) for _ in range(3000)]
    true = np.exp([-one.value for one in found])
    assert true.mean() <= rate * 1.05  # 3,000 draws: 0.02 rate / sqrt(3000) is far less than that
    assert true.mean() >= 0.4 * rate
    inside = np.mean([one.interval[0] <= value <= one.interval[1] for one, value in zip(found, true, strict=True)])
    assert inside == pytest.approx(0.9, abs=0.02)


@given(rate=st.floats(0.001, 0.5))
@settings(max_examples=60, deadline=None)
def test_the_refusal_names_the_smallest_number_that_is_enough(rate: float) -> None:
    thresholds = Thresholds(image_rate=rate)
    with pytest.raises(TooFewNormalsError, match=r"needs at least \d+ held-out normal images, there are 0") as caught:
        thresholds.image(np.zeros(0, np.float32))
    needed = int(str(caught.value).split("at least ")[1].split()[0])
    thresholds.image(np.zeros(needed, np.float32))
    with pytest.raises(TooFewNormalsError):
        thresholds.image(np.zeros(needed - 1, np.float32))


def test_constant_scores_alarm_nobody() -> None:
    score = np.full(50, 0.25, np.float32)
    assert exceeding(score, Thresholds().image(score).value) == 0


def test_pixels_count_the_padding_out_and_the_image_as_a_draw() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(6, 1, 20, 20, generator=generator)
    maps[0] *= 2  # an image that is not like the others widens the interval
    content = torch.ones(6, 1, 20, 20, dtype=torch.bool)
    content[..., 10:] = False
    maps[..., 10:] = 9.0
    found = Thresholds(pixel_rate=0.05).pixel(maps.repeat(2, 1, 1, 1), content.repeat(2, 1, 1, 1))
    above = (maps[content] > found.value).double().mean()
    assert float(above) == pytest.approx(0.05, abs=1 / 1200)
    assert found.interval[1] > 0.1
    alike = torch.rand(12, 1, 20, 20, generator=generator)
    narrow = Thresholds(pixel_rate=0.05).pixel(alike, content.repeat(2, 1, 1, 1)).interval
    assert narrow[1] - narrow[0] < 0.05
    assert Thresholds(pixel_rate=0.05).pixel(alike[:9], content.repeat(2, 1, 1, 1)[:9]).interval is None


def test_the_interval_of_pixels_holds_the_true_rate_about_as_often_as_it_says() -> None:
    """Images differ in scale; the true rate of a threshold is the mean over scales. Approximate: 90 % is 80 to 97 %."""
    rng = np.random.default_rng(0)
    thresholds, content = Thresholds(pixel_rate=0.05, confidence=0.9), torch.ones(30, 1, 12, 12, dtype=torch.bool)
    scales = np.exp(0.2 * rng.standard_normal(100_000))
    inside = 0
    for _ in range(200):
        scale = np.exp(0.2 * rng.standard_normal((30, 1, 1, 1)))
        maps = torch.from_numpy((scale * rng.exponential(size=(30, 1, 12, 12))).astype(np.float32))
        found = thresholds.pixel(maps, content)
        true = np.exp(-found.value / scales).mean()
        inside += found.interval[0] <= true <= found.interval[1]
    assert 0.8 <= inside / 200 <= 0.97


@pytest.mark.parametrize("rate", [0.003, 0.05, 0.4])
def test_the_interval_of_pixels_is_that_of_leaving_each_image_out(rate: float) -> None:
    torch.manual_seed(0)
    maps = torch.rand(12, 1, 9, 11).square() * torch.rand(12, 1, 1, 1)
    maps[3] = 2 + torch.rand(1, 9, 11)  # holds all of the highest
    maps[5] = maps[6]
    content = torch.ones_like(maps, dtype=torch.bool)
    content[2, :, 5:] = False
    thresholds = Thresholds(pixel_rate=rate)
    share = []
    for i in range(12):
        others = torch.arange(12) != i
        pixels = maps[others][content[others]].sort().values
        level = pixels[len(pixels) - 1 - math.floor(rate * len(pixels) + 1e-9)]
        share.append(float((maps[i][content[i]] > level).double().mean()))
    half = stats.t(11).ppf(0.975) * np.std(share, ddof=1) / math.sqrt(12)
    low, high = thresholds.pixel(maps, content).interval
    assert (low, high) == pytest.approx((max(0, np.mean(share) - half), min(1, np.mean(share) + half)))


def test_pixels_of_one_image_or_too_few_are_refused() -> None:
    content = torch.ones(2, 1, 5, 5, dtype=torch.bool)
    with pytest.raises(TooFewNormalsError, match="needs at least 2 held-out normal images, there are 1"):
        Thresholds(pixel_rate=0.1).pixel(torch.rand(1, 1, 5, 5), content[:1])
    with pytest.raises(TooFewNormalsError, match="needs at least 4 held-out normal images, there are 2"):
        Thresholds(pixel_rate=0.01).pixel(torch.rand(2, 1, 5, 5), content)


def test_bad_arguments() -> None:
    for name in ("image_rate", "pixel_rate", "confidence"):
        for value in (0.0, 1.0, -0.1, float("nan")):
            with pytest.raises(ValueError, match=rf"{name} \(=.*\) must lie between 0 and 1"):
                Thresholds(**{name: value})


def test_exceeding_is_undefined_without_a_threshold_or_values() -> None:
    assert exceeding(np.float32([1, 2, 3]), 2.0) == pytest.approx(1 / 3)
    assert exceeding(np.float32([1]), None) is None
    assert exceeding(torch.zeros(0), 1.0) is None
