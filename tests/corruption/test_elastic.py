import pytest
import torch

from fae.corruption.elastic import Elastic
from fae.corruption.shape import SoftShape

SHAPES = [(4, 3, 64, 64), (1, 3, 33, 57), (2, 3, 8, 8), (3, 3, 200, 40), (2, 3, 260, 260)]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("shape", SHAPES)
def test_laws(shape: tuple[int, ...]) -> None:
    image = torch.rand(shape, generator=seeded(1))
    corrupted, mask = Elastic(SoftShape())(image, seeded())
    assert corrupted.shape == image.shape
    assert mask.shape == (shape[0], 1, *shape[2:])
    assert corrupted.dtype == mask.dtype == torch.float32
    assert mask.min() >= 0
    assert mask.max() <= 1
    assert corrupted.min() >= 0
    assert corrupted.max() <= 1
    untouched = (mask == 0).expand_as(image)
    assert untouched.any()
    assert torch.equal(corrupted[untouched], image[untouched])


def test_every_image_is_damaged_and_differently() -> None:
    image = torch.rand(1, 3, 64, 64, generator=seeded(1)).expand(16, -1, -1, -1)
    corrupted, mask = Elastic(SoftShape())(image, seeded())
    assert ((corrupted - image).abs().flatten(1).amax(1) > 0.02).all()
    assert all(not torch.equal(mask[0], other) for other in mask[1:])
    areas = mask.flatten(1).mean(1)
    assert areas.max() > 4 * areas.min()


def test_same_seed_same_damage() -> None:
    image = torch.rand(3, 3, 40, 40, generator=seeded(1))
    first, again, other = (Elastic(SoftShape())(image, seeded(s)) for s in (0, 0, 1))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1])


def test_images_do_not_influence_each_other() -> None:
    image = torch.rand(3, 3, 40, 40, generator=seeded(1))
    swapped = image.clone()
    swapped[1:] = torch.rand(2, 3, 40, 40, generator=seeded(2))
    assert torch.equal(Elastic(SoftShape())(image, seeded())[0][0], Elastic(SoftShape())(swapped, seeded())[0][0])


def test_without_displacement_and_brightness_nothing_changes() -> None:
    image = torch.rand(2, 3, 48, 48, generator=seeded(1))
    corrupted, mask = Elastic(SoftShape(), displacement_px=(0, 0), brightness=0)(image, seeded())
    assert mask.max() > 0.9
    # Bilinear sampling at the pixels' own centres is exact up to float32 coordinates.
    torch.testing.assert_close(corrupted, image, rtol=0, atol=1e-4)


def test_displacement_has_the_amplitude_asked_for() -> None:
    """Measured on a linear ramp, where a displaced pixel changes by its displacement."""
    side = 256
    ramp = torch.linspace(0, 1, side).expand(64, 3, side, side)
    elastic = Elastic(SoftShape(), displacement_px=(5, 5), smoothness_px=(8, 8), brightness=0)
    elastic.shape = lambda b, h, w, g: torch.ones(b, 1, h, w)  # type: ignore[assignment]
    moved = (elastic(ramp, seeded())[0] - ramp)[..., 32:-32, 32:-32] * (side - 1)
    assert 3.5 < float(moved.std()) < 6


def test_displacement_is_smooth_on_the_scale_asked_for() -> None:
    image = torch.zeros(32, 3, 128, 128)
    fine, coarse = (
        Elastic(SoftShape(), smoothness_px=(s, s))._displacement(32, 128, 128, seeded()) for s in (4.0, 16.0)
    )
    assert image.shape[0] == fine.shape[0]
    roughness = [float(f.diff(dim=1).square().mean() / f.square().mean()) for f in (fine, coarse)]
    assert roughness[0] > 8 * roughness[1]


def test_elastic_keeps_the_colours_better_than_a_cut_out() -> None:
    image = torch.rand(8, 3, 64, 64, generator=seeded(1)) * 0.3 + 0.5
    corrupted, mask = Elastic(SoftShape(size=(0.4, 0.8)), brightness=0)(image, seeded())
    core = (mask > 0.99).expand_as(image)
    before, after = image[core], corrupted[core]
    assert abs(float(before.mean() - after.mean())) < 0.02
    assert abs(float(before.mean())) > 0.5  # what a cut-out would change it by


def test_shapes_have_the_size_asked_for() -> None:
    shape = SoftShape(size=(0.5, 0.5), aspect=(1, 1), softness=(0.01, 0.01), irregularity=0, count=1)
    masks = shape(200, 100, 100, seeded())
    largest = float(masks.flatten(1).sum(1).max())  # the ones that no border cuts
    assert largest == pytest.approx(torch.pi * 25**2, rel=0.03)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SoftShape(size=(0.5, 0.1)), "size .=.0.5, 0.1.. must be"),
        (lambda: SoftShape(size=(0.0, 0.1)), "size"),
        (lambda: SoftShape(aspect=(0.5, 2)), "aspect"),
        (lambda: SoftShape(softness=(0.5, 2)), "softness"),
        (lambda: SoftShape(irregularity=0.7), "irregularity .=0.7."),
        (lambda: SoftShape(count=0), "count .=0. must be at least 1"),
        (lambda: Elastic(SoftShape(), brightness=2), "brightness .=2. must lie"),
        (lambda: Elastic(SoftShape(), displacement_px=(-1, 2)), "displacement_px"),
        (lambda: Elastic(SoftShape(), smoothness_px=(0.1, 2)), "smoothness_px"),
    ],
)
def test_wrong_arguments(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
