import inspect
import math
import sys

import kornia.augmentation as K
import pytest
import torch
from hydra.utils import instantiate
from torch import Tensor, nn

from fae.corruption.content.augmented import Augmented
from tests.conftest import compose_train
from tests.corruption.conftest import noise, seeded

AUGMENTATIONS = {
    "RandomMotionBlur": {"kernel_size": [11, 31], "angle": 180.0, "direction": 1.0},
    "RandomPosterize": {"bits": [1.0, 4.0]},
    "RandomErasing": {},
    "RandomPlasmaShadow": {},
    "RandomGaussianNoise": {"std": 0.3},
    "RandomSolarize": {},
    "RandomAffine": {"degrees": 45.0},
    "RandomGaussianBlur": {"kernel_size": [7, 7], "sigma": [1.0, 3.0]},
}


def built(name: str) -> Augmented:
    """By the words of a command line."""
    arguments = AUGMENTATIONS[name] | {"p": 1.0}
    words = ["corruption=motion_blur", "~corruption.content.augmentation"]
    leaf = ",".join([f"_target_:kornia.augmentation.{name}", *(f"{key}:{value}" for key, value in arguments.items())])
    words.append(f"+corruption.content.augmentation={{{leaf}}}".replace(" ", ""))
    content: Augmented = instantiate(compose_train(*words).corruption, _convert_="all").content
    return content


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("shape", [(1, 3, 64, 64), (3, 3, 33, 90), (2, 3, 1, 5)], ids=str)
def test_laws_of_any_augmentation(name: str, shape: tuple[int, ...]) -> None:
    image, content = noise(*shape), built(name)
    before, state = image.clone(), torch.get_rng_state()
    first = content(image, seeded())
    assert torch.equal(torch.get_rng_state(), state), "the global generator has moved on"
    torch.manual_seed(99)
    again = content(image, seeded())
    assert torch.equal(first, again), "the global generator was read, or the object remembers a call"
    assert torch.equal(image, before)
    assert first.shape == image.shape
    assert first.dtype == torch.float32
    assert 0 <= first.min() <= first.max() <= 1
    assert not first.requires_grad


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_image_has_random_numbers_of_its_own_and_no_influence_on_the_others(name: str) -> None:
    content, image = built(name), noise(1, 3, 64, 64).expand(8, -1, -1, -1).contiguous()
    augmented = content(image, seeded())
    if name != "RandomPosterize":  # it has few levels to draw from
        assert len({one.numpy().tobytes() for one in augmented}) == 8
    others = noise(8, 3, 64, 64, seed=5)
    others[3] = image[3]
    assert torch.equal(content(others, seeded())[3], augmented[3])


def test_an_image_without_colours_stays_grey_among_coloured_ones() -> None:
    image = torch.cat([noise(1, 1, 64, 64).expand(-1, 3, -1, -1), noise(1, 3, 64, 64)])
    augmented = built("RandomGaussianNoise")(image, seeded())
    colour = (augmented.amax(1) - augmented.amin(1)).flatten(1).amax(1)
    assert colour[0] < 1e-6
    assert colour[1] > 0.1


class Shrinking(K.AugmentationBase2D):
    """Halves an image."""

    def __init__(self) -> None:
        super().__init__(p=1.0, same_on_batch=False)

    def compute_transformation(self, input: Tensor, params: object, flags: object) -> Tensor:
        return torch.eye(3).expand(len(input), 3, 3)

    def apply_transform(self, input: Tensor, params: object, flags: object, transform: object = None) -> Tensor:
        return nn.functional.avg_pool2d(input, 2)

    def apply_non_transform(self, input: Tensor, params: object, flags: object, transform: object = None) -> Tensor:
        return input


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: nn.Identity(), r"augmentation \(=Identity\) must be one 2D image augmentation"),
        (lambda: K.RandomSolarize(p=0.5), r"augmentation.p \(=0.5\) must be 1"),
        (lambda: K.RandomSolarize(p=1.0, same_on_batch=True), r"same_on_batch \(=True\) must be False"),
        (lambda: K.RandomCrop((20, 20), p=1.0), r"RandomCrop"),
        (Shrinking, r"augmentation \(=Shrinking\) makes images of 60 × 68 px from images of 120 × 136 px"),
    ],
)
def test_what_is_refused(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Augmented(build())


def test_an_unknown_class_is_named_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    from fae.train import main

    wrong = "corruption.content.augmentation._target_=kornia.augmentation.RandomMotionBlr"
    monkeypatch.setattr(sys, "argv", ["fae-train", "corruption=motion_blur", wrong])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert "kornia.augmentation has no 'RandomMotionBlr'; did you mean 'RandomMotionBlur'?" in str(stopped.value.code)


def test_the_leaves_of_augmentations_hold_all_their_arguments() -> None:
    for choice in ("motion_blur", "plasma_shadow", "posterize", "erasing"):
        words = ("corruption=motion_blur", f"corruption/augmentation@corruption.content.augmentation={choice}")
        leaf = compose_train(*words).corruption.content.augmentation
        known = inspect.signature(getattr(K, leaf._target_.rsplit(".", 1)[1])).parameters
        assert set(leaf) - {"_target_"} == set(known)
        assert math.isclose(leaf.p, 1.0)
