import shutil
from pathlib import Path

import pytest

from fae.data.auto import auto
from fae.data.folder import folder
from fae.data.mvtec import mvtec


def test_layout(tiny: Path) -> None:
    index = folder(str(tiny), "generic")
    assert index.dataset == "folder:tiny"
    assert len(index.train) == 12
    assert [s.label for s in index.test] == [0] * 4 + [1] * 4
    assert index.has_masks
    assert index.notes == ()
    assert all([path.stem for path in s.mask_files] == [f"{s.path.stem}_mask"] for s in index.test if s.label)


def test_masks_are_matched_by_name_not_by_position(tiny: Path) -> None:
    truth = tiny / "ground_truth" / "square"
    (truth / "000_mask.png").rename(truth / "zzz.png")
    with pytest.raises(FileNotFoundError, match=r"no mask for .*square/000.png: expected .*000_mask.png"):
        folder(str(tiny), "generic")
    (truth / "zzz.png").rename(truth / "000.PNG")
    assert folder(str(tiny), "generic").test[4].mask.name == "000.PNG"


def test_without_ground_truth_image_metrics_only(tiny: Path) -> None:
    shutil.rmtree(tiny / "ground_truth")
    index = folder(str(tiny), "generic")
    assert not index.has_masks
    assert "the run has image metrics, but no pixel metrics" in index.notes[0]


def test_a_folder_of_normal_images(tiny: Path) -> None:
    index = folder(str(tiny / "train" / "good"), "generic")
    assert len(index.train) == 12
    assert index.test == ()
    assert "the run trains and can be used, but has no metrics" in index.notes[0]


def test_mvtec_root_contains_categories(tiny: Path) -> None:
    assert mvtec(str(tiny.parent), "tiny").dataset == "mvtec:tiny"
    with pytest.raises(FileNotFoundError, match="category 'wood' is no folder below data.root .* which holds: tiny"):
        mvtec(str(tiny.parent), "wood")
    with pytest.raises(FileNotFoundError, match="data.root .=nowhere. is no folder"):
        mvtec("nowhere", "wood")


@pytest.mark.parametrize(("root", "what"), [(None, "not set"), ("nowhere", "no folder")])
def test_missing_root(root: str | None, what: str) -> None:
    with pytest.raises(FileNotFoundError, match=f"data.root .={root}. is {what}; name the folder"):
        folder(root, "generic")


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_training_images(count: int, tiny: Path) -> None:
    for path in sorted((tiny / "train" / "good").iterdir())[count:]:
        path.unlink()
    with pytest.raises(ValueError, match=f"train/good holds {f'{count} image' if count else 'nothing'}.*; at least 3"):
        folder(str(tiny), "generic")


def test_an_empty_root(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds nothing; at least 3 normal images"):
        folder(str(tmp_path / "empty"), "generic")


def test_test_without_train(tiny: Path) -> None:
    shutil.rmtree(tiny / "train" / "good")
    with pytest.raises(FileNotFoundError, match="no folder .*train/good"):
        folder(str(tiny), "generic")


def test_auto_takes_mvtec_where_it_is_found(tiny: Path, tmp_path: Path) -> None:
    assert auto(None, "tiny", str(tiny.parent), str(tmp_path)).dataset == "mvtec:tiny"


def test_auto_never_replaces_a_root_that_the_user_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        auto("nowhere", "wood", "nothing", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="category 'wood'"):
        auto(str(tmp_path), "wood", "nothing", str(tmp_path))


def test_auto_has_no_twin_for_objects(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="category .=bottle. has no synthetic twin"):
        auto(None, "bottle", "nothing", str(tmp_path))
