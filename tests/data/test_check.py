from pathlib import Path

import numpy as np
import pytest
from omegaconf import DictConfig
from PIL import Image

from fae.data.check import INCOMPLETE, check, check_category
from fae.data.mvtec import expected
from fae.report.paper import paper
from tests.conftest import compose_command
from tests.processes import Forked


@pytest.fixture
def toothbrush(tmp_path: Path) -> Path:
    """The root of a category with as many images as the published one."""
    mask = np.zeros((4, 6), np.uint8)
    mask[1, 1] = 255
    for name, images in expected()["toothbrush"].items():
        folder = tmp_path / "mvtec" / "toothbrush" / name
        folder.mkdir(parents=True)
        is_mask = name.startswith("ground_truth")
        for i in range(images):
            Image.fromarray(mask).save(folder / f"{i:03d}{'_mask' * is_mask}.png")
    return tmp_path / "mvtec"


def compose_check(*overrides: str) -> DictConfig:
    return compose_command("check", *overrides)


def test_the_expected_counts_are_those_published() -> None:
    # Bergmann et al., IJCV 2021, Table 1: 3,629 + 467 + 1,258 images, 73 kinds of defects.
    assert set(expected()) == set(paper()["category"])
    folders = [(name, images) for counts in expected().values() for name, images in counts.items()]
    defective = [images for name, images in folders if name.startswith("test/") and name != "test/good"]
    masks = [images for name, images in folders if name.startswith("ground_truth/")]
    assert sum(images for name, images in folders if name == "train/good") == 3629
    assert sum(images for name, images in folders if name == "test/good") == 467
    assert sum(defective) == sum(masks) == 1258
    assert len(defective) == len(masks) == 73


def test_a_whole_category(toothbrush: Path) -> None:
    found = check_category(toothbrush, "toothbrush")
    assert found.whole
    assert not found.absent


def test_the_command(toothbrush: Path, forked: Forked) -> None:
    result = forked.command("fae.data.check", f"root={toothbrush}", "categories=toothbrush")
    assert result.returncode == 0, result.stderr
    assert "60 of 60" in result.stdout
    assert "whole" in result.stdout
    assert forked.command("fae.data.check", f"root={toothbrush}").returncode == INCOMPLETE


def test_an_absent_category_is_named_and_no_error_of_the_others(
    toothbrush: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {one.name: one for one in check(compose_check(f"root={toothbrush}"))}
    assert len(found) == 15
    assert [name for name, one in found.items() if one.whole] == ["toothbrush"]
    absent = capsys.readouterr().out.split("no data: ")[1]
    assert absent.startswith("bottle, cable")
    assert "toothbrush" not in absent


@pytest.mark.parametrize(
    "where", ["train/good/001.png", "test/defective/001.png", "ground_truth/defective/001_mask.png"]
)
def test_the_first_bad_file_is_named(toothbrush: Path, where: str) -> None:
    path = toothbrush / "toothbrush" / where
    for later in (path, path.with_name(path.name.replace("001", "002"))):
        later.write_bytes(later.read_bytes()[:40])
    found = check_category(toothbrush, "toothbrush")
    assert not found.whole
    assert found.bad is not None
    assert str(path) in found.bad


def test_masks_that_do_not_fit(toothbrush: Path) -> None:
    masks = toothbrush / "toothbrush" / "ground_truth" / "defective"
    Image.fromarray(np.full((4, 6), 255, np.uint8)).save(masks / "999_mask.png")
    assert "a mask without an image" in str(check_category(toothbrush, "toothbrush").bad)
    Image.fromarray(np.zeros((4, 6), np.uint8)).save(masks / "005_mask.png")
    assert "marks no pixel" in str(check_category(toothbrush, "toothbrush").bad)
    Image.fromarray(np.full((6, 4), 255, np.uint8)).save(masks / "000_mask.png")
    assert "another size" in str(check_category(toothbrush, "toothbrush").bad)


def test_regions_of_interest_are_looked_at(toothbrush: Path) -> None:
    def bad(*words: str) -> str | None:
        (found,) = check(compose_check(f"root={toothbrush}", "categories=toothbrush", *words))
        return found.bad  # type: ignore[union-attr]

    Image.fromarray(np.ones((4, 6), np.uint8)).save("roi.png")
    assert bad("data.roi=roi.png") is None
    Image.fromarray(np.ones((12, 12), np.uint8)).save("roi.png")
    assert "roi.png has 12×12 pixels" in str(bad("data.roi=roi.png"))
    assert bad("data.roi=roi.png", "data.image_size=12") is None
    Path("rois").mkdir()
    assert "holds no region of interest of" in str(bad("data.roi=rois"))
    with pytest.raises(FileNotFoundError, match=r"data.roi \(=nowhere\) is neither a mask nor a folder of masks"):
        bad("data.roi=nowhere")


def test_missing_and_foreign_images_are_counted(toothbrush: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = toothbrush / "toothbrush"
    (folder / "train" / "good" / "007.png").unlink()
    (folder / "test" / "mine").mkdir()
    Image.new("RGB", (6, 4)).save(folder / "test" / "mine" / "a.png")
    (found,) = check(compose_check(f"root={toothbrush}", "categories=[toothbrush]"))
    assert not found.whole
    assert found.bad is None
    assert {("train/good", 60, 59), ("test/mine", 0, 1)} <= set(found.counts)
    assert "toothbrush/train/good: 59 images, expected 60" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["root=nowhere"], r"root \(=nowhere\) is no folder"),
        ([], r"root \(=None\) is no folder"),
        (["root=.", "categories=woood"], "did you mean 'wood'?"),
        (["root=.", "categories=[]"], "must name at least one"),
    ],
)
def test_bad_input(overrides: list[str], message: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        check(compose_check(*overrides))
