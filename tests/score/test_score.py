import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import prewitt, uniform_filter
from skimage.measure import block_reduce
from skimage.metrics import structural_similarity

from fae.score.average import damping
from fae.score.image_score import Contrast, Excess, Max, Sum, Top
from fae.score.residual.msgms import GradientDissimilarity
from fae.score.residual.one_sided import OneSided
from fae.score.residual.squared import Squared
from fae.score.residual.ssim import Dissimilarity
from fae.score.score import Score, image_scores
from fae.score.smoothing import smooth
from fae.score.threshold import Thresholds

squared, dissimilarity, darker, brighter = Squared(), Dissimilarity(), OneSided("darker"), OneSided("brighter")
gradients = GradientDissimilarity()


def test_residual_is_equation_2(generator: torch.Generator) -> None:
    image, reconstruction = torch.rand(2, 2, 3, 5, 4, generator=generator).unbind()
    expected = ((image.numpy() - reconstruction.numpy()) ** 2).mean(axis=1, keepdims=True)
    np.testing.assert_allclose(squared(image, reconstruction).numpy(), expected, rtol=1e-6)


def test_a_perfect_reconstruction_gives_a_zero_map(generator: torch.Generator) -> None:
    image = torch.rand(2, 3, 8, 8, generator=generator)
    assert not squared(image, image).any()


def test_the_sum_over_a_grey_image_is_the_squared_norm(generator: torch.Generator) -> None:
    grey, other = (torch.rand(2, 1, 9, 7, generator=generator, dtype=torch.float64).expand(-1, 3, -1, -1) for _ in "ab")
    score = Score(squared, Sum(), k=3, n=0)
    total = score.image_score(score.anomaly_map(squared(grey, other)))
    torch.testing.assert_close(total, (grey - other)[:, 0].square().sum(dim=(1, 2)))


@pytest.mark.parametrize("measure", [squared, dissimilarity, gradients, darker, brighter])
def test_residual_refuses_other_shapes(measure) -> None:
    with pytest.raises(ValueError, match=r"reconstruction \(shape \(1, 3, 4, 5\)\) must have the shape of image"):
        measure(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 5))


def test_darker_and_brighter_are_the_halves_of_equation_2_about_the_median(generator: torch.Generator) -> None:
    image, reconstruction = torch.rand(2, 2, 3, 5, 7, generator=generator).unbind()
    dark, bright = darker(image, reconstruction), brighter(image, reconstruction)
    difference = (image - reconstruction).numpy()
    centred = difference - np.median(difference, axis=(2, 3), keepdims=True)
    np.testing.assert_allclose((dark + bright).numpy(), (centred**2).mean(1, keepdims=True), atol=1e-6)
    torch.testing.assert_close(dark, brighter(1 - image, 1 - reconstruction))  # a negative swaps them
    tint = torch.tensor([0.1, -0.2, 0.05]).view(3, 1, 1)
    torch.testing.assert_close(dark, darker(image, reconstruction + tint))


def test_an_unknown_side_is_refused() -> None:
    with pytest.raises(ValueError, match=r"side \(='redder'\) must be one of darker, brighter"):
        OneSided("redder")


def test_darker_sees_a_dark_defect_alone() -> None:
    clean = torch.full((1, 3, 6, 6), 0.5)
    image = clean.clone()
    image[..., 1, 1], image[..., 4, 4] = 0.2, 0.7
    assert darker(image, clean).nonzero().tolist() == [[0, 0, 1, 1]]
    assert brighter(image, clean).nonzero().tolist() == [[0, 0, 4, 4]]
    assert darker(image, clean * torch.nan).isnan().all()


def test_dissimilarity_against_scikit_image(generator: torch.Generator) -> None:
    image = torch.rand(1, 3, 40, 52, generator=generator)
    reconstruction = (image + 0.2 * torch.randn(image.shape, generator=generator)).clamp(0, 1)
    _, similarity = structural_similarity(
        *(t[0].permute(1, 2, 0).double().numpy() for t in (image, reconstruction)),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1.0,
        channel_axis=2,
        full=True,
    )
    inside = (slice(5, -5), slice(5, -5))  # the border's treatment differs
    ours = dissimilarity(image, reconstruction)[0, 0].numpy()
    np.testing.assert_allclose(ours[inside], 1 - similarity.mean(2)[inside], atol=2e-4)


def test_dissimilarity_laws(generator: torch.Generator) -> None:
    image = torch.rand(2, 3, 16, 9, generator=generator)
    assert dissimilarity(image, image).max() < 1e-5
    assert dissimilarity(image, image).shape == (2, 1, 16, 9)
    assert dissimilarity(image, 1 - image).max() > 1
    black = torch.zeros(1, 3, 12, 12)  # Kornia adds 1e-12 to a denominator of 9e-8 there
    assert dissimilarity(black, black).max() < 2e-5


def test_gradient_dissimilarity_against_scipy(generator: torch.Generator) -> None:
    """Zavrtanik et al. 2021, eq. 4 to 6, from libraries that know nothing of ours."""
    image = torch.rand(1, 3, 40, 64, generator=generator)
    reconstruction = (image + 0.2 * torch.randn(image.shape, generator=generator)).clamp(0, 1)
    expected = np.zeros((40, 64))
    for scale in (1, 2, 4, 8):
        magnitudes = []
        for shown in (image, reconstruction):
            grey = block_reduce(shown[0].mean(dim=0).double().numpy(), (scale, scale), np.mean)
            magnitudes.append(np.hypot(*(prewitt(grey, axis, mode="nearest") / 3 for axis in (0, 1))))
        one, other = magnitudes
        unlike = 1 - (2 * one * other + 0.0026) / (one**2 + other**2 + 0.0026)
        expected += cv2.resize(unlike, (64, 40), interpolation=cv2.INTER_LINEAR) / 4
    np.testing.assert_allclose(gradients(image, reconstruction)[0, 0].numpy(), expected, atol=1e-5)


def test_gradient_dissimilarity_laws(generator: torch.Generator) -> None:
    image = torch.rand(2, 3, 17, 31, generator=generator)
    other = torch.rand(2, 3, 17, 31, generator=generator)
    found = gradients(image, other)
    assert found.shape == (2, 1, 17, 31)
    assert 0 <= found.min() < found.max() <= 1
    assert not gradients(image, image).any()
    torch.testing.assert_close(found, gradients(other, image))
    torch.testing.assert_close(found, gradients(1 - image, 1 - other), msg="edges have no sign")
    assert gradients(image, image + 0.3).max() < 1e-5, "a shift of the brightness is no edge"
    torch.testing.assert_close(found, gradients(image.flip(1), other), msg="colours count alike")


@pytest.mark.parametrize("size", [(15, 64), (64, 15)])
def test_gradient_dissimilarity_of_small_images(size: tuple[int, int]) -> None:
    image = torch.zeros(1, 3, *size)
    with pytest.raises(ValueError, match=rf"needs 16×16 px; these have {size[0]}×{size[1]}: use larger ones, or"):
        gradients(image, image)


@pytest.mark.parametrize(("k", "n"), [(3, 1), (5, 2), (9, 3), (21, 1)])
def test_smoothing_against_scipy_inside(k: int, n: int, generator: torch.Generator) -> None:
    residual = torch.rand(2, 1, 80, 90, generator=generator, dtype=torch.float64)
    expected = residual.numpy()
    for _ in range(n):
        expected = uniform_filter(expected, size=(1, 1, k, k), mode="nearest")
    inside = (..., slice(n * k, -n * k), slice(n * k, -n * k))
    np.testing.assert_allclose(smooth(residual, k, n).numpy()[inside], expected[inside], rtol=1e-10)


@pytest.mark.parametrize("shape", [(1, 1, 6, 7), (2, 1, 1, 5)])
def test_smoothing_averages_the_pixels_inside(shape: tuple[int, ...], generator: torch.Generator) -> None:
    residual = torch.rand(shape, generator=generator, dtype=torch.float64)
    k = 5
    expected = torch.empty_like(residual)
    for i in range(shape[2]):
        for j in range(shape[3]):
            window = residual[..., max(0, i - 2) : i + 3, max(0, j - 2) : j + 3]
            expected[..., i, j] = window.mean(dim=(-2, -1))
    torch.testing.assert_close(smooth(residual, k, 1), expected)


def test_smoothing_laws(generator: torch.Generator) -> None:
    residual = torch.rand(1, 1, 10, 12, generator=generator)
    assert torch.equal(smooth(residual, 5, 0), residual)
    assert torch.equal(smooth(residual, 1, 3), residual)
    constant = torch.full((1, 1, 10, 12), 0.25)
    torch.testing.assert_close(smooth(constant, 21, 3), constant)
    torch.testing.assert_close(smooth(residual, 3, 2), smooth(smooth(residual, 3, 1), 3, 1))
    torch.testing.assert_close(smooth(residual.mT, 5, 2), smooth(residual, 5, 2).mT)


@pytest.mark.parametrize(
    ("k", "n", "message"),
    [
        (4, 1, "k .=4. must be odd; use 3 or 5"),
        (0, 1, "k .=0."),
        (3, -1, "n .=-1."),
        (3, 1.5, "n .=1.5. must be a whole"),
    ],
)
def test_wrong_smoothing(k: int, n: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        smooth(torch.zeros(1, 1, 4, 4), k, n)
    with pytest.raises(ValueError, match=message):
        Score(squared, Sum(), k=k, n=n)


def test_damping_is_equations_13_and_14() -> None:
    maps = torch.tensor([[0.1, 0.9], [0.3, 3.1]], dtype=torch.float64).view(2, 1, 1, 2)
    torch.testing.assert_close(damping(maps, 2.0).flatten(), torch.tensor([0.8**2, 0.0], dtype=torch.float64))
    assert torch.equal(damping(maps, 0.0).flatten(), torch.ones(2, dtype=torch.float64))


def test_t_damps_what_is_high_on_normal_images(generator: torch.Generator) -> None:
    normal = torch.full((4, 1, 6, 6), 0.01)
    normal[..., 0, 0] = 0.5
    residual = torch.full((1, 1, 6, 6), 0.5)
    score = Score(squared, Max(), k=1, n=0, t=100)
    score.calibrate(normal, torch.ones_like(normal, dtype=torch.bool))
    damped = score.anomaly_map(residual)
    assert float(damped[..., 0, 0]) < 1e-6 * float(damped[..., 3, 3])
    assert float(damped[..., 3, 3]) == pytest.approx(0.5 * 0.99**100, rel=1e-5)


def test_held_out_maps_are_damped_as_new_ones_are(generator: torch.Generator) -> None:
    """Each by the average of the others; with its own map in it, thresholds would be too low."""
    residual = torch.rand(5, 1, 6, 6, generator=generator)
    content = torch.ones_like(residual, dtype=torch.bool)
    maps = Score(squared, Sum(), k=3, n=1, t=4.0).calibrate(residual, content)
    for i in range(5):
        others = Score(squared, Sum(), k=3, n=1, t=4.0)
        others.calibrate(residual[torch.arange(5) != i], content[1:])
        torch.testing.assert_close(others.anomaly_map(residual[i : i + 1]), maps[i : i + 1])
    assert (maps > Score(squared, Sum(), k=3, n=1).calibrate(residual, content) * damping(residual, 4.0)).any()


def test_false_alarms_keep_to_the_rate_with_damping_too() -> None:
    rng = torch.Generator().manual_seed(0)
    content = torch.ones(19, 1, 8, 8, dtype=torch.bool)
    obtained = []
    for _ in range(150):
        score = Score(squared, Max(), k=1, n=0, t=3.0)
        maps = score.calibrate(torch.rand(19, 1, 8, 8, generator=rng) ** 4, content)
        threshold = Thresholds(image_rate=0.1).image(image_scores(score.image_score, maps, content).numpy()).value
        new = score.anomaly_map(torch.rand(200, 1, 8, 8, generator=rng) ** 4)
        obtained.append(float((score.image_score(new) > threshold).double().mean()))
    assert 0.07 < float(np.mean(obtained)) < 0.115  # 2 of 20 may; 150 draws of a spread of 0.07 tell it to 0.006


def test_t_needs_calibration_and_a_sensible_value() -> None:
    with pytest.raises(RuntimeError, match="needs calibrate"):
        Score(squared, Sum(), t=1).anomaly_map(torch.zeros(1, 1, 8, 8))
    with pytest.raises(ValueError, match="t .=-1. must not be negative"):
        Score(squared, Sum(), t=-1)


def test_image_scores_by_hand() -> None:
    maps = torch.tensor([[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 9.0]]).view(2, 1, 2, 2)
    assert Sum()(maps).tolist() == [10, 9]
    assert Max()(maps).tolist() == [4, 9]
    assert Top(0.5)(maps).tolist() == [3.5, 4.5]
    assert Top(0.01)(maps).tolist() == [4, 9]
    assert Contrast(0.25)(maps).tolist() == [2, pytest.approx(9e12)]
    assert Contrast()(torch.zeros(1, 1, 3, 3)).tolist() == [0]
    excess = Excess(0.75)
    excess.calibrate(torch.arange(1.0, 5.0).view(1, 1, 2, 2))
    assert excess.level == 3
    assert excess(maps).tolist() == [1, 6]


def test_excess_serves_faint_specks_and_large_streaks(generator: torch.Generator) -> None:
    """The case for which it exists: the sum loses the speck in the noise, the maximum loses the streak."""
    normal = torch.rand(64, 1, 32, 32, generator=generator)
    normal *= 0.5 + torch.rand(64, 1, 1, 1, generator=generator)
    speck, streak = normal[:8].clone(), normal[8:16].clone()
    speck[..., 5, 5] = 3.0
    streak[..., 8:12, :] = 1.45
    excess = Excess(0.99)
    excess.calibrate(normal[32:])
    usual = excess(normal[16:32]).max()
    assert (excess(speck) > excess(normal[:8])).all()
    assert (excess(streak) > usual).all()
    assert (Sum()(speck) - Sum()(normal[:8])).max() < Sum()(normal).std()


def test_contrast_does_not_mind_how_rough_an_image_is(generator: torch.Generator) -> None:
    """The case for which it exists: a speck on a smooth image stays below the ordinary error of a rough one."""
    normal = torch.rand(64, 1, 32, 32, generator=generator) * (0.2 + torch.rand(64, 1, 1, 1, generator=generator))
    speck = torch.rand(1, 1, 32, 32, generator=generator) * 0.3
    speck[..., 5:8, 5:8] = 0.9
    assert (Contrast()(speck) > Contrast()(normal)).all()
    for score in (Sum(), Max(), Top()):
        assert not (score(speck) > score(normal)).all()
    torch.testing.assert_close(Contrast()(normal * 7), Contrast()(normal))


@pytest.mark.parametrize(
    "build", [lambda: Contrast(0), lambda: Top(0), lambda: Top(1.5), lambda: Excess(0), lambda: Excess(1.1)]
)
def test_wrong_fractions(build) -> None:
    with pytest.raises(ValueError, match=r"must lie in \(0, 1\]"):
        build()


@pytest.mark.parametrize("score", [Sum(), Max(), Top(0.1), Contrast(0.1), Excess(0.9)], ids=lambda s: s.name)
def test_padding_does_not_count(score, generator: torch.Generator) -> None:
    maps = torch.rand(3, 1, 10, 12, generator=generator)
    score.calibrate(maps)
    content = torch.zeros(3, 1, 10, 12, dtype=torch.bool)
    content[0] = True
    content[1:, :, :4] = True
    scores = image_scores(score, maps * content, content)
    torch.testing.assert_close(scores[1:], score(maps[1:, :, :4]))
    torch.testing.assert_close(scores[:1], score(maps[:1]))


def test_excess_needs_calibration() -> None:
    with pytest.raises(RuntimeError, match="needs calibrate"):
        Excess()(torch.zeros(1, 1, 2, 2))
