import numpy as np
import pytest

from fae.data.fit import fit, fit_mask


@pytest.mark.parametrize(
    ("shape", "size", "aspect", "content"),
    [
        ((20, 30), (20, 30), "stretch", (20, 30)),
        ((20, 30), (10, 10), "stretch", (10, 10)),
        ((20, 30), (10, 10), "pad", (7, 10)),
        ((30, 20), (60, 60), "pad", (60, 40)),
        ((1000, 1), (8, 8), "pad", (8, 1)),
    ],
)
def test_fit(shape: tuple[int, int], size: tuple[int, int], aspect: str, content: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    fitted, inside = fit(image, size, aspect)
    assert fitted.shape == (*size, 3)
    assert inside == content
    mask = fit_mask(np.ones(shape, bool), size, aspect)
    assert mask.shape == size
    assert mask[: content[0], : content[1]].all()
    assert mask.sum() == content[0] * content[1]


def test_no_defect_vanishes_by_scaling() -> None:
    mask = np.zeros((64, 64), bool)
    mask[30, 30] = True
    assert fit_mask(mask, (8, 8), "stretch").sum() == 1
    assert not fit_mask(np.zeros((64, 64), bool), (8, 8), "stretch").any()


def test_scaling_keeps_the_area() -> None:
    mask = np.zeros((64, 64), bool)
    mask[16:48, 8:40] = True
    assert fit_mask(mask, (16, 16), "stretch").sum() == mask.sum() / 16
