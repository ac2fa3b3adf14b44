"""Which mask belongs to which image, and what is told of the rest."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fae.data.folder import folder
from fae.data.pairs import masks_of
from fae.image import all_images_in


def put(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(folder / name)
    return [folder / name for name in names]


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        (["A.png", "a.png"], ["A_mask.png", "a_mask.png"]),
        (["000.bmp", "000.png"], ["000_mask.bmp", "000_mask.png"]),
        (["000.jpg", "001.jpg"], ["000.png", "001_MASK.PNG"]),
        (["1.png", "10.png", "11.png"], ["1_mask.png", "10_mask.png", "11_mask.png"]),
    ],
)
def test_exact_names_come_first(images: list[str], masks: list[str], tmp_path: Path) -> None:
    paths = put(tmp_path / "truth", *masks)
    found = masks_of(put(tmp_path / "test", *images), tmp_path / "truth")
    assert found == paths


@pytest.mark.parametrize(
    ("images", "masks", "told"),
    [
        (["000.bmp", "000.png"], ["000_mask.tif"], "is the mask of both 000.bmp and 000.png"),
        (["7.png", "7_mask.png"], ["7_mask.png"], "is the mask of both 7.png and 7_mask.png"),
        (["000.png"], ["000_mask.png", "000_mask_1.png"], r"1 mask\(s\) belong to no image of .*000_mask_1.png"),
        (["000.png"], ["000_mask.png", "000.png"], r"1 mask\(s\) belong to no image of .*000.png"),
        (["000.jpg"], ["000_mask.png", "000_mask.bmp"], "has several masks, .* differ by case or suffix alone"),
    ],
)
def test_names_that_leave_it_open_are_refused(images: list[str], masks: list[str], told: str, tmp_path: Path) -> None:
    put(tmp_path / "truth", *masks)
    with pytest.raises(ValueError, match=told):
        masks_of(put(tmp_path / "test", *images), tmp_path / "truth")


def test_what_is_left_out_is_told(tiny: Path) -> None:
    normal = len(folder(str(tiny), "").train)
    test = len(folder(str(tiny), "").test)
    put(tiny / "train/good/day2", "0.png", "1.png")
    put(tiny / "train/good_line2", "0.png")
    put(tiny / "train/good", ".000.png")
    put(tiny / "test/.ipynb_checkpoints", "000-checkpoint.png")
    put(tiny / "test", "flat.png")
    put(tiny / "ground_truth/old", "0.png")
    (tiny / "train/good/IMG_1.HEIC").write_bytes(b"x")
    index = folder(str(tiny), "")
    assert (len(index.train), len(index.test)) == (normal, test)
    (note,) = index.notes
    for told in (
        "1 file(s) of suffix .heic (train/good/IMG_1.HEIC)",
        "3 sub-folder(s) holding 4 image(s) (ground_truth/old, train/good/day2, train/good_line2)",
        "2 hidden file(s) or folder(s)",
        "1 image(s) outside the folders that are read (test/flat.png)",
    ):
        assert told in note


def test_a_link_to_a_missing_file_is_an_error(tiny: Path) -> None:
    (tiny / "train/good/zzz.png").symlink_to("/nowhere/annex")
    with pytest.raises(
        FileNotFoundError, match=r"1 image\(s\) in .* are links to missing files: .*zzz.png; fetch the files"
    ):
        folder(str(tiny), "")


def test_masks_beside_images_are_no_images(tmp_path: Path) -> None:
    put(tmp_path, "1.png", "2.png", "3.png", "4_GT.png", "1_GT.png", "2_mask.png", "3_Label.bmp")
    index = folder(str(tmp_path), "")
    assert [sample.path.name for sample in index.train] == ["1.png", "2.png", "3.png", "4_GT.png"]
    assert "3 mask(s) beside their images (1_GT.png, 2_mask.png, 3_Label.bmp)" in index.notes[1]


@pytest.mark.parametrize("name", ["Good", "good_2", "OK", "normal"])
def test_a_second_name_for_good_is_told(name: str, tiny: Path) -> None:
    (tiny / "ground_truth").rename(tiny.parent / "elsewhere")
    put(tiny / "test" / name, "0.png")
    assert any(f"test/{name} count as defects" in note for note in folder(str(tiny), "").notes)


def test_an_unknown_layout_is_described(tmp_path: Path) -> None:
    put(tmp_path / "a/good", "0.png")
    put(tmp_path / "a/mask", "0.png")
    with pytest.raises(
        ValueError, match=r"holds the sub-folder\(s\) good, mask; at least 3 normal images .*data=mvtec"
    ):
        folder(str(tmp_path / "a"), "")
    put(tmp_path / "b/Train/good", "0.png")
    put(tmp_path / "b/test/good", "0.png")
    with pytest.raises(ValueError, match=r"holds the sub-folder\(s\) Train, test"):
        folder(str(tmp_path / "b"), "")


def test_links_that_lead_back_and_folders_that_nobody_may_read(tiny: Path) -> None:
    (tiny / "train/good/back").symlink_to(tiny)
    (tiny / "lost+found").mkdir(mode=0)
    assert len(all_images_in(tiny)) == len({path.resolve() for path in all_images_in(tiny)})
    (note,) = folder(str(tiny), "").notes
    assert "train/good/back" in note
    assert "lost+found" in note
