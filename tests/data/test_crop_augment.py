import pytest
import torch

from fae.data.augment import augment
from fae.data.crop import as_size, crop_size, crop_stages, random_crop
from fae.data.seed import TRAIN, VALIDATE, generator


def test_the_crop_never_shrinks_and_ends_with_the_image() -> None:
    stages = crop_stages(None, (128, 96))
    assert stages == [(64, 48), (96, 72), (128, 96)]
    sizes = [crop_size(stages, step, 100) for step in range(120)]
    assert sizes == sorted(sizes)
    assert sizes[0] == (64, 48)
    assert sizes[99] == sizes[119] == (128, 96)
    assert [sizes.count(s) for s in stages] == [34, 33, 53]


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 64)])
def test_default_stages_fit_tiny_images(size: tuple[int, int]) -> None:
    stages = crop_stages(None, size)
    assert min(min(s) for s in stages) >= 1
    assert stages[-1] == size


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ([64, 256], "crop_sizes .=.64, 256..: the crop 256×256 exceeds the images, 128×128"),
        ([64, 32], "must not shrink"),
        ([], "at least one size"),
        ([0], "positive number of pixels"),
        ([[1, 2, 3]], "positive number of pixels"),
    ],
)
def test_wrong_crop_sizes(sizes: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        crop_stages(sizes, (128, 128))


def test_sizes_as_numbers_or_pairs() -> None:
    assert as_size("x", 5) == (5, 5)
    assert as_size("x", [4, 6]) == (4, 6)
    assert crop_stages([32, [64, 96]], (64, 96)) == [(32, 32), (64, 96)]


def test_crops_are_windows_of_their_images() -> None:
    image = torch.arange(6 * 3 * 20 * 30).float().view(6, 3, 20, 30)
    crops = random_crop(image, (7, 11), generator(0, TRAIN))
    assert crops.shape == (6, 3, 7, 11)
    corners = set()
    for original, crop in zip(image, crops, strict=True):
        top, left = ((original[0] == crop[0, 0, 0]).nonzero()[0]).tolist()
        assert torch.equal(crop, original[:, top : top + 7, left : left + 11])
        corners.add((top, left))
    assert len(corners) > 3


def test_every_position_is_drawn() -> None:
    image = torch.arange(12.0).view(1, 1, 3, 4).expand(400, -1, -1, -1)
    assert set(random_crop(image, (1, 1), generator(0, TRAIN)).flatten().tolist()) == set(range(12))


def symmetries(picture: torch.Tensor) -> list[torch.Tensor]:
    turned = [picture.rot90(i, (-2, -1)) for i in range(4)]
    return turned + [t.flip(-1) for t in turned]


@pytest.mark.parametrize(
    ("rotate", "horizontal", "vertical", "expected"),
    [
        (False, False, False, {0}),
        (True, False, False, {0, 1, 2, 3}),
        (False, True, False, {0, 4}),
        (False, False, True, {0, 6}),
        (False, True, True, {0, 2, 4, 6}),
        (True, True, True, set(range(8))),
    ],
)
def test_augmentation_draws_all_admissible_symmetries_and_no_others(
    rotate: bool, horizontal: bool, vertical: bool, expected: set[int]
) -> None:
    picture = torch.arange(3 * 4 * 4.0).view(3, 4, 4)
    out = augment(picture.expand(300, -1, -1, -1), rotate, horizontal, vertical, generator(0, TRAIN))
    possible = symmetries(picture)
    assert {next(i for i, p in enumerate(possible) if torch.equal(o, p)) for o in out} == expected


def test_rectangles_are_turned_by_half() -> None:
    picture = torch.arange(3 * 4 * 6.0).view(3, 4, 6)
    out = augment(picture.expand(100, -1, -1, -1), True, False, False, generator(0, TRAIN))
    assert {torch.equal(o, picture) for o in out} == {True, False}
    assert all(torch.equal(o, picture) or torch.equal(o, picture.rot90(2, (-2, -1))) for o in out)


def test_random_streams_do_not_meet() -> None:
    streams = [(0, TRAIN, 0), (0, TRAIN, 1), (1, TRAIN, 0), (0, VALIDATE, 0), (0, TRAIN, 0, 1)]
    draws = {tuple(torch.rand(4, generator=generator(*s)).tolist()) for s in streams}
    assert len(draws) == len(streams)
    assert torch.equal(torch.rand(4, generator=generator(3, TRAIN, 7)), torch.rand(4, generator=generator(3, TRAIN, 7)))
