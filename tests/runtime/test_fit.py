import numpy as np
import pytest

from fae.data import fit as of_fae
from fae_runtime.fit import content_size, fit, fit_region
from tests.runtime.exported import picture

SIZES = ((24, 32), (64, 64), (100, 30))
SHAPES = ((24, 32), (40, 50), (10, 90), (7, 5), (300, 31), (1, 1), (64, 63))


@pytest.mark.parametrize("aspect", of_fae.ASPECTS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", SHAPES)
def test_images_and_regions_are_fitted_as_fae_fits_them(
    aspect: str, size: tuple[int, int], shape: tuple[int, int]
) -> None:
    image, content = picture(0, *shape), content_size(shape, size, aspect)
    expected, inside = of_fae.fit(image, size, aspect)
    assert content == inside
    assert np.array_equal(fit(image, size, content), expected)
    region = image[..., 0] > 128
    region[0, 0] = True
    found = fit_region(region, content)
    assert np.array_equal(found, of_fae.fit_mask(region, size, aspect)[: content[0], : content[1]])
    assert found.any()
