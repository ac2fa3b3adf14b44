"""What every corruption of conf/corruption promises; see `fae.types.Corruption`."""

from pathlib import Path

import pytest
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from PIL import Image

from fae.corruption.faint import Faint
from fae.types import Corruption
from tests.conftest import compose_train
from tests.corruption.conftest import noise, seeded
from tests.test_conf import choices

CHOICES = choices("corruption")
SHAPES = [(4, 3, 64, 64), (1, 3, 33, 57), (2, 3, 8, 8), (3, 3, 120, 40), (2, 3, 1, 5), (2, 3, 160, 160)]


def build(choice: str, *words: str) -> Corruption:
    built: Corruption = instantiate(compose_train(f"corruption={choice}", *words).corruption, _convert_="all")
    return built


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_laws(choice: str, shape: tuple[int, ...]) -> None:
    image = noise(*shape)
    before = image.clone()
    corrupted, mask = build(choice)(image, seeded())
    assert torch.equal(image, before)
    assert corrupted.shape == image.shape
    assert mask.shape == (shape[0], 1, *shape[2:])
    assert corrupted.dtype == mask.dtype == torch.float32
    assert 0 <= mask.min() <= mask.max() <= 1
    assert 0 <= corrupted.min() <= corrupted.max() <= 1
    untouched = (mask == 0).expand_as(image)
    assert torch.equal(corrupted[untouched], image[untouched])


@pytest.mark.parametrize("choice", CHOICES)
def test_every_image_is_damaged_in_its_own_way(choice: str) -> None:
    image = noise(1, 3, 64, 64).expand(32, -1, -1, -1)
    corrupted, mask = build(choice)(image, seeded())
    changed = (corrupted - image).abs().amax(1)
    least = 18 if choice == "faint" else 30  # a fifth has no damage; a faint speck may fall on its own colour
    assert (changed.flatten(1).amax(1) > 0.01).sum() >= least
    assert len({m.numpy().tobytes() for m in changed}) >= (least if choice == "faint" else 32)
    if choice != "rotation":
        assert (mask == 0).flatten(1).any(1).all() or "rotation" in choice
        areas = mask[mask.flatten(1).amax(1) > 0].flatten(1).mean(1)
        assert areas.max() > 2 * areas.min()


@pytest.mark.parametrize("choice", CHOICES)
def test_same_seed_same_damage(choice: str) -> None:
    image, corruption = noise(3, 3, 40, 40), build(choice)
    first, again, other = (corruption(image, seeded(s)) for s in (0, 0, 1))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


_ALONE = {
    "swap": ("corruption.other=0",),
    "mix": ("corruption.members.swap.other=0",),
    "faint": ("corruption.damage.members.swap.other=0",),
}
"""Without swaps between images, which mix them on purpose."""


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("seed", range(3))
def test_images_do_not_influence_each_other(choice: str, seed: int) -> None:
    corruption = build(choice, *_ALONE.get(choice, ()))
    image, others = noise(3, 3, 40, 40), noise(3, 3, 40, 40, seed=2)
    others[seed] = image[seed]
    for one, other in zip(corruption(image, seeded(seed)), corruption(others, seeded(seed)), strict=True):
        assert torch.equal(one[seed], other[seed])


@pytest.mark.parametrize("choice", [c for c in CHOICES if c not in ("cut_out", "rotation", "elastic", "swap")])
def test_grey_images_stay_grey(choice: str) -> None:
    grey = noise(8, 1, 48, 48).expand(-1, 3, -1, -1)
    corrupted, _ = build(choice)(grey, seeded())
    assert (corrupted.amax(1) - corrupted.amin(1)).max() < 1e-5


@pytest.mark.parametrize(("choice", "content"), [("occlusion", "content"), ("mix", "members.occlusion.content")])
def test_the_pictures_of_a_folder_are_shown(choice: str, content: str, tmp_path: Path) -> None:
    for i in range(2):
        Image.new("RGB", (8, 8), (200 * i, 0, 0)).save(tmp_path / f"{i}.png")
    image, key = noise(32, 3, 24, 24), f"corruption.{content}.source.root"
    drawn, from_folder = (build(choice, *words)(image, seeded())[0] for words in ((), (f"{key}={tmp_path}",)))
    assert not torch.equal(drawn, from_folder)
    with pytest.raises(InstantiationException, match=r"root \(=nowhere\) is no folder"):
        build(choice, f"{key}=nowhere")


def test_every_content_fits_a_patch_of_every_shape() -> None:
    image = noise(2, 3, 24, 40)
    for content in choices("corruption/content"):
        for shape in choices("corruption/shape"):
            words = (f"corruption/content={content}", f"corruption/shape={shape}")
            instance = instantiate(compose_train("corruption=speck", *words).corruption, _convert_="all")
            corrupted, mask = instance(image, seeded())
            assert torch.equal(corrupted[(mask == 0).expand_as(image)], image[(mask == 0).expand_as(image)])


def test_faint_damage_is_a_blend_and_some_images_have_none() -> None:
    """At full opacity it is the damage itself; the mask stays that of the full damage."""
    image = noise(1, 3, 32, 32).expand(400, -1, -1, -1)
    full = build("elastic")(image, seeded())
    same = Faint(build("elastic"), opacity=[1, 1], undamaged=0)(image, seeded())
    assert torch.allclose(same[0], full[0], atol=1e-6)
    assert torch.equal(same[1], full[1])
    corrupted, mask = Faint(build("elastic"), opacity=[0.5, 0.5], undamaged=0.25)(image, seeded())
    damaged = mask.flatten(1).any(1)
    assert damaged.float().mean() == pytest.approx(0.75, abs=0.07)
    assert torch.equal(corrupted[~damaged], image[~damaged])
    assert torch.equal(mask[damaged], full[1][damaged])
    expected = (image + full[0]) / 2
    assert torch.allclose(corrupted[damaged], expected[damaged], atol=1e-6)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["corruption.opacity=[0,1]"], r"opacity \(=\[0, 1\]\) must be above 0, or nothing is damaged"),
        (["corruption.opacity=[0.9,0.2]"], r"opacity \(=\[0.9, 0.2\]\) must be"),
        (["corruption.opacity=0.5"], r"opacity \(=0.5\) must be \[smallest, largest\]"),
        (["corruption.undamaged=1.5"], r"undamaged \(=1.5\) must lie in \[0, 1\)"),
        (["corruption.undamaged=1"], r"undamaged \(=1\) must lie in \[0, 1\), or nothing is damaged"),
    ],
)
def test_wrong_faintness(words: list[str], message: str) -> None:
    with pytest.raises(InstantiationException, match=message):
        build("faint", *words)
