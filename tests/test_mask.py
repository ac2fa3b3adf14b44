"""What masks say, in every form in which tools write them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from fae.image import PixelMask, outline, read_mask
from tests.conftest import compose_command

SHAPE = (12, 10)
DEFECT = np.zeros(SHAPE, bool)
DEFECT[2:5, 1:4] = True


def grey(low: int, high: int, kind: type = np.uint8) -> Image.Image:
    return Image.fromarray(np.where(DEFECT, high, low).astype(kind))


def rgba(colour: tuple[int, int, int]) -> Image.Image:
    values = np.full((*SHAPE, 4), (*colour, 0), np.uint8)
    values[..., 3] = DEFECT * 255
    return Image.fromarray(values)


def drawn_on_transparent() -> Image.Image:
    values = np.zeros((*SHAPE, 4), np.uint8)
    values[DEFECT] = 255
    values[0, 0] = (255, 255, 255, 0)  # transparent: what colour it has is nobody's wish
    values[5, 5] = (0, 0, 0, 255)
    return Image.fromarray(values)


def palette(*colours: tuple[int, int, int], index: np.ndarray) -> Image.Image:
    image = Image.fromarray(index.astype(np.uint8), "P")
    image.putpalette([value for colour in colours for value in colour])
    return image


def of_labels() -> Image.Image:
    """As labelme and VOC write them: entry 1 is (128, 0, 0), and entry 8 is (64, 0, 0)."""
    index = DEFECT.astype(int)
    index[2] *= 2
    return palette((0, 0, 0), (64, 0, 0), (0, 64, 0), index=index)


FORMS = {
    "grey.png": grey(0, 255),
    "zero_and_one.png": grey(0, 1),
    "one_and_two.png": grey(1, 2),
    "dark.bmp": grey(0, 100),
    "two_bright.png": grey(200, 255),
    "bilevel.png": Image.fromarray(DEFECT),
    "deep.png": grey(0, 65535, np.uint16),
    "deep_255.png": grey(0, 255, np.uint16),
    "integers.tif": grey(0, 255, np.int32),
    "floats.tif": grey(0, 1, np.float32),
    "alpha_white.png": rgba((255, 255, 255)),
    "alpha_black.png": rgba((0, 0, 0)),
    "alpha_grey.png": rgba((255, 255, 255)).convert("LA"),
    "alpha_full.png": grey(0, 255).convert("RGBA"),
    "transparent.png": drawn_on_transparent(),
    "red.png": Image.merge("RGB", (grey(0, 255), grey(0, 0), grey(0, 0))),
    "labels.png": of_labels(),
    "palette_grey.png": palette((0, 0, 0), (255, 255, 255), index=DEFECT),
    "palette_turned.png": palette((255, 255, 255), (0, 0, 0), index=~DEFECT),
    "palette_transparent.png": grey(0, 255).convert("P"),
    "noisy.jpg": grey(0, 255),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_mask_is_read_whatever_its_form(name: str, tmp_path: Path) -> None:
    FORMS[name].save(tmp_path / name)
    assert np.array_equal(read_mask(tmp_path / name), DEFECT)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_an_empty_mask_is_empty(kind: type, tmp_path: Path) -> None:
    Image.fromarray(np.zeros(SHAPE, kind)).save(tmp_path / "a.tif")
    assert not read_mask(tmp_path / "a.tif").any()


def test_labels_in_grey_are_refused_until_a_border_is_set(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    labels = DEFECT.astype(np.uint8)
    labels[2] *= 2
    Image.fromarray(labels).save(path)
    with pytest.raises(ValueError, match=r"a\.png has 3 value\(s\) up to 2 of 255.*data.mask_above=0 takes all"):
        read_mask(path)
    assert np.array_equal(read_mask(path, above=0), DEFECT)


def test_values_between_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    values = np.where(DEFECT, 255, 0).astype(np.uint8)
    values[8, 8], values[9, 8:10] = 200, 100
    Image.fromarray(values).save(path)
    found = outline(path)
    assert found.between == (1, 2)
    assert found.defect.sum() == DEFECT.sum() + 1
    assert outline(path, above=0.3).between == (3, 0)
    assert outline(path, above=0.9).defect.sum() == DEFECT.sum()


def test_the_border_has_a_range() -> None:
    from hydra.utils import instantiate

    for wrong in (1, -0.1, 128):
        cfg = compose_command("train", "data=folder", "category=generic", f"data.mask_above={wrong}")
        with pytest.raises(Exception, match=r"data.mask_above \(=.*\) must be a share of full scale in \[0, 1\)"):
            instantiate(cfg.data, _convert_="all")


def test_several_files_of_one_image_are_joined(tmp_path: Path) -> None:
    left, right, small, faint = (tmp_path / f"{name}.png" for name in ("left", "right", "small", "faint"))
    columns = np.arange(SHAPE[1])
    for path, side in ((left, columns < 2), (right, columns >= 2)):
        Image.fromarray(np.where(DEFECT & side, 255, 0).astype(np.uint8)).save(path)
    Image.new("L", (4, 3)).save(small)
    grey(0, 3).save(faint)
    assert np.array_equal(PixelMask((left, right)).outline().defect, DEFECT)
    with pytest.raises(ValueError, match=r"small.png has 3×4 pixels, .*left.png 12×10"):
        PixelMask((left, small)).outline()
    assert np.array_equal(PixelMask((faint,), above=0).outline().defect, DEFECT)
    assert not PixelMask((faint,), above=0).outline(0.5).defect.any()  # the user's border comes first


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("high", [1, 9, 65535])
def test_colours_of_16_bits_keep_small_values(high: int, suffix: str, tmp_path: Path) -> None:
    """Pillow would cut 1 of 65535 to 0, and an empty mask is a wrong number."""
    path = tmp_path / f"mask{suffix}"
    cv2.imwrite(str(path), np.repeat(np.where(DEFECT, high, 0).astype(np.uint16)[..., None], 3, axis=2))
    found = outline(path)
    assert np.array_equal(found.defect, DEFECT)
    assert found.scaled == (high < 65535)
