import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fae.corruption.alternate import Alternate
from fae.corruption.chain import Chain
from fae.corruption.content.constant import Constant
from fae.corruption.content.elastic import Elastic
from fae.corruption.content.foreign import Foreign
from fae.corruption.content.intensity import Intensity
from fae.corruption.patch import Patch
from fae.corruption.rotation import Rotation
from fae.corruption.shape.ellipse import Ellipse
from fae.corruption.shape.shape import Shape
from fae.corruption.source import OtherPictures
from fae.corruption.swap import Swap
from fae.types import Corruption
from tests.corruption.conftest import noise, seeded

CPU = torch.device("cpu")


class Everywhere(Shape):
    """A mask of ones."""

    def __init__(self) -> None:
        super().__init__(Ellipse())

    def __call__(self, batch, height, width, generator, device):
        return torch.ones(batch, 1, height, width)


class Hard(Shape):
    """One disc with a hard edge."""

    def __init__(self) -> None:
        super().__init__(Ellipse(), size=(0.2, 0.4), aspect=(1, 2), count=2)

    def __call__(self, batch, height, width, generator, device):
        return (super().__call__(batch, height, width, generator, device) > 0.5).float()


class Fixed:
    """Turns every image into one value, with a mask of ones."""

    def __init__(self, value: float, name: str = "fixed") -> None:
        self.value, self.name = value, name

    def __call__(self, image, generator):
        return torch.full_like(image, self.value), torch.ones(len(image), 1, *image.shape[-2:])


def texture_like(*shape: int) -> torch.Tensor:
    """Images with structure: smooth noise."""
    return torch.nn.functional.interpolate(noise(shape[0], 3, 8, 8), shape[2:], mode="bicubic").clamp(0, 1)


def test_elastic_alone_without_displacement_changes_nothing() -> None:
    image = noise(2, 3, 48, 48)
    content = Elastic(displacement_px=(0, 0), brightness=0)(image, seeded())
    # Bilinear sampling at the pixels' own centres is exact up to float32 coordinates.
    torch.testing.assert_close(content, image, rtol=0, atol=1e-4)


def test_displacement_has_the_amplitude_asked_for() -> None:
    """Measured on a linear ramp, where a displaced pixel changes by its displacement."""
    side = 256
    ramp = torch.linspace(0, 1, side).expand(64, 3, side, side)
    content = Elastic(displacement_px=(5, 5), smoothness_px=(8, 8), brightness=0)(ramp, seeded())
    moved = (content - ramp)[..., 32:-32, 32:-32] * (side - 1)
    assert 3.5 < float(moved.std()) < 6


def test_displacement_is_smooth_on_the_scale_asked_for() -> None:
    fine, coarse = (Elastic(smoothness_px=(s, s)).displacement(32, 128, 128, seeded(), CPU) for s in (4.0, 16.0))
    roughness = [float(f.diff(dim=1).square().mean() / f.square().mean()) for f in (fine, coarse)]
    assert roughness[0] > 8 * roughness[1]


def test_elastic_nearly_keeps_the_colours_which_a_cut_out_does_not() -> None:
    image = texture_like(16, 3, 96, 96)
    shape = Shape(Ellipse(), size=(0.4, 0.8))

    def moved_mass(content: object) -> float:
        """Half the distance of the histograms inside the patch before and after: 0 = equal, 1 = disjoint."""
        corrupted, mask = Patch(shape, content)(image, seeded())  # type: ignore[arg-type]
        core = (mask > 0.99).expand_as(image)
        before, after = (torch.histc(t[core], 16, 0, 1) for t in (image, corrupted))
        return float((before - after).abs().sum() / before.sum() / 2)

    assert moved_mass(Elastic(brightness=0)) < 0.12
    assert moved_mass(Elastic()) < 0.3  # as it is configured, with a change of brightness as well
    assert moved_mass(Constant((0, 0))) > 0.8


@pytest.mark.parametrize("shape", [(3, 3, 40, 40), (2, 3, 33, 61)], ids=str)
def test_exchanging_two_regions_conserves_the_histogram_exactly(shape: tuple[int, ...]) -> None:
    image = noise(*shape)
    corrupted, mask = Swap(Hard(), other=0)(image, seeded(4))
    assert set(mask.unique().tolist()) == {0, 1}
    assert not torch.equal(corrupted, image)
    for before, after in zip(image, corrupted, strict=True):
        pixels = [t.flatten(1).T[t.flatten(1).T[:, 0].argsort()] for t in (before, after)]
        assert torch.equal(*pixels)


def test_content_of_another_image() -> None:
    image = torch.cat([torch.full((1, 3, 32, 32), value) for value in (0.2, 0.5, 0.8)])
    corrupted, mask = Swap(Everywhere(), other=1)(image, seeded())
    assert (mask == 1).all()
    assert (corrupted != image).flatten(1).all(1).all()
    assert set(corrupted.unique().tolist()) <= set(image.unique().tolist())


def test_a_lone_image_swaps_with_itself() -> None:
    image = noise(1, 3, 24, 24)
    corrupted, _ = Swap(Everywhere(), other=1)(image, seeded())
    assert torch.equal(corrupted.flatten().sort().values, image.flatten().sort().values)
    assert not torch.equal(corrupted, image)


def test_opacity() -> None:
    """A faint patch changes little, and M says nevertheless that all of it is damage."""
    image = torch.full((64, 3, 16, 16), 0.75)
    faint, mask = Patch(Everywhere(), Constant((0, 0)), (0.1, 0.1))(image, seeded())
    torch.testing.assert_close(faint, torch.full_like(image, 0.75 * 0.9))
    assert (mask == 1).all()
    varied, _ = Patch(Everywhere(), Constant((0, 0)), (0.1, 1.0))(image, seeded())
    assert len(varied[:, 0, 0, 0].unique()) == 64


def test_constant_and_intensity() -> None:
    image = noise(50, 3, 8, 8) * 0.2 + 0.4
    assert not Constant((0, 0))(image, seeded()).any()
    assert Constant((0.2, 0.4))(image, seeded()).min() >= 0.2
    same = Intensity(brightness=(0, 0), contrast=(1, 1), tint=0)(image, seeded())
    torch.testing.assert_close(same, image)
    lighter = Intensity(brightness=(0.1, 0.1), contrast=(1, 1), tint=0)(image, seeded()) - image
    assert {round(v, 4) for v in lighter.flatten().tolist()} == {-0.1, 0.1}
    flatter = Intensity(brightness=(0, 0), contrast=(0.5, 0.5), tint=0)(image, seeded())
    torch.testing.assert_close(flatter.std(dim=(2, 3)), image.std(dim=(2, 3)) / 2)


def test_rotation_covers_every_pixel_that_changed() -> None:
    image = torch.zeros(2, 3, 41, 41)
    image[:, :, 10:15, 20] = 1
    turned, mask = Rotation((90, 90))(image, seeded())
    torch.testing.assert_close(turned, image.rot90(1, (-2, -1)), atol=1e-4, rtol=0)
    assert torch.equal(mask, (turned != image).any(1, keepdim=True).float())
    assert mask[0, 0, 12, 20] == 1  # where the bar was
    assert mask[0, 0, 20, 12] == 1  # where it is


def test_rotation_leaves_alone_what_looks_the_same() -> None:
    """A bar on plain grey: interpolation's rounding is no damage."""
    image = torch.full((4, 3, 128, 128), 0.37)
    image[:, :, 40:90, 60:64] = 0.9
    turned, mask = Rotation((-30, 30))(image, seeded())
    assert torch.equal(turned[(mask == 0).expand_as(turned)], image[(mask == 0).expand_as(image)])
    assert ((turned - image).abs().amax(1, keepdim=True)[mask == 1] > 1e-5).all()
    assert 0.002 < float(mask.mean()) < 0.05


def test_alternates_as_often_as_asked() -> None:
    members: dict[str, Corruption] = {"a": Fixed(0.1), "b": Fixed(0.2), "never": Fixed(0.3)}
    corrupted, _ = Alternate(members, {"a": 0.7, "b": 0.3, "never": 0.0})(noise(4000, 3, 1, 1), seeded())
    share = (corrupted[:, 0, 0, 0] == 0.1).float().mean()
    assert float(share) == pytest.approx(0.7, abs=0.03)  # 4 standard deviations
    assert not (corrupted == 0.3).any()


def test_a_chain_applies_its_members_in_order_and_unites_their_masks() -> None:
    image = noise(2000, 3, 2, 2)
    chain = Chain({"first": Fixed(0.1), "second": Fixed(0.2)}, {"first": 0.5, "second": 0.5})
    corrupted, mask = chain(image, seeded())
    last = corrupted[:, 0, 0, 0]
    for value, expected in ((0.2, 0.5), (0.1, 0.25)):
        assert float((last == value).float().mean()) == pytest.approx(expected, abs=0.05)
    untouched = mask[:, 0, 0, 0] == 0
    assert float(untouched.float().mean()) == pytest.approx(0.25, abs=0.05)
    assert torch.equal(corrupted[untouched], image[untouched])
    soft = Patch(Shape(Ellipse(), softness=(1, 1)), Constant())
    _, union = Chain({"a": soft, "b": soft}, {"a": 1, "b": 1})(noise(4, 3, 32, 32), seeded())
    assert union.max() <= 1
    assert ((union > 0) & (union < 1)).any()


def test_pictures_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for i, size in enumerate([(3, 2), (40, 300), (700, 500)]):
        Image.new("RGB", size, (0, 100 * i, 0)).save(tmp_path / "deep" / f"{i}.png")
    drawn = OtherPictures(str(tmp_path))(60, 50, 90, seeded(), CPU)
    assert drawn.shape == (60, 3, 50, 90)
    assert {round(v * 255) for v in drawn[:, 1].unique().tolist()} == {0, 100, 200}
    assert len(OtherPictures(str(tmp_path), count=2).pictures) == 2


@pytest.mark.parametrize("prepare", ["missing", "empty", "unreadable"])
def test_a_source_that_cannot_be_used(prepare: str, tmp_path: Path) -> None:
    root = tmp_path / "source"
    if prepare != "missing":
        root.mkdir()
    if prepare == "unreadable":
        (root / "a.png").write_bytes(b"no image")
    message = {
        "missing": r"root \(=.*source\) is no folder",
        "empty": r"root \(=.*source\) holds no images; name another folder",
        "unreadable": r"root \(=.*source\): .*a.png cannot be read .* replace or remove it",
    }[prepare]
    with pytest.raises(ValueError, match=message):
        OtherPictures(str(root))


def test_procedural_textures_are_many_and_cheap() -> None:
    drawn = OtherPictures()(64, 40, 56, seeded(), CPU)
    assert drawn.shape == (64, 3, 40, 56)
    assert 0 <= drawn.min() <= drawn.max() <= 1
    assert drawn.std(dim=(2, 3)).mean() > 0.1
    spread = drawn.mean(dim=(2, 3)).std(dim=0)
    assert spread.min() > 0.1
    assert not np.allclose(drawn[0], drawn[0].flip(-1))


def test_foreign_content_is_desaturated_as_asked() -> None:
    image = noise(8, 3, 24, 24)
    grey = Foreign(OtherPictures(), (0, 0))(image, seeded())
    assert (grey.amax(1) - grey.amin(1)).max() < 1e-6
    vivid = Foreign(OtherPictures(), (1, 1))(image, seeded())
    assert (vivid.amax(1) - vivid.amin(1)).mean() > 0.1


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Alternate({}, {}), "must hold at least one kind"),
        (lambda: Chain({}, {}), "must hold at least one kind"),
        (lambda: Alternate({"a": Fixed(0)}, {"b": 1.0}), "must name the members, a"),
        (lambda: Chain({"a": Fixed(0)}, {}), "must name the members, a"),
        (lambda: Alternate({"a": Fixed(0), "b": Fixed(0)}, {"a": 0.5, "b": 0.6}), "sum to 1, not 1.1"),
        (lambda: Alternate({"a": Fixed(0), "b": Fixed(0)}, {"a": 1.5, "b": -0.5}), "must lie in"),
        (lambda: Alternate({"a": Fixed(0)}, {"a": math.nan}), "must lie in"),
        (lambda: Chain({"a": Fixed(0)}, {"a": 0}), "must be above 0 for one member"),
        (lambda: Patch(Everywhere(), Constant(), (0, 0)), "must reach above 0"),
        (lambda: Chain({"a": Fixed(0)}, {"a": 1.5}), r"probability.a \(=1.5\) must lie in \[0, 1\]"),
        (lambda: Patch(Everywhere(), Constant(), (0, 2)), "opacity"),
        (lambda: Swap(Everywhere(), other=2), r"other \(=2\)"),
        (lambda: Swap(Everywhere(), opacity=(0.9, 0.1)), "opacity"),
        (lambda: Rotation((-200, 0)), "degrees"),
        (lambda: Rotation(fill="white"), r"fill \(='white'\)"),
        (lambda: Elastic(brightness=2), r"brightness \(=2\) must lie"),
        (lambda: Elastic(displacement_px=(-1, 2)), "displacement_px"),
        (lambda: Elastic(smoothness_px=(0.1, 2)), "smoothness_px"),
        (lambda: Constant((0, 2)), "intensity"),
        (lambda: Intensity(brightness=(0, 2)), "brightness"),
        (lambda: Intensity(contrast=(0, 1)), "contrast"),
        (lambda: Intensity(tint=-1), r"tint \(=-1\)"),
        (lambda: Foreign(OtherPictures(), (0, 2)), "saturation"),
        (lambda: OtherPictures(count=0), r"count \(=0\)"),
    ],
)
def test_wrong_arguments(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
