"""Regions of interest: which mask belongs to which image, and how a region follows its image."""

import shutil
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from PIL import Image

from fae.data.fit import fit_mask
from fae.data.folder import folder
from fae.data.module import DataModule
from fae.data.roi import Regions
from tests.conftest import compose_train


def build(root: Path, **keys: Any) -> DataModule:
    elastic = instantiate(compose_train("corruption=elastic").corruption, _convert_="all")
    data = DataModule(folder, str(root), "generic", **{"corruption": elastic, "batch_size": 4, "max_steps": 30} | keys)
    data.setup()
    return data


def save(path: Path, region: np.ndarray) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(region.astype(np.uint8)).save(path)
    return str(path)


def left_half(height: int = 32, width: int = 32) -> np.ndarray:
    return np.repeat(np.arange(width)[None] < width // 2, height, axis=0)


def test_one_mask_for_all_images_is_stored_once(tiny: Path, tmp_path: Path) -> None:
    data = build(tiny, roi=save(tmp_path / "roi.png", left_half()))  # values 0 and 1: what lies above 0 is judged
    for split in (data.train, data.val, data.test):
        assert split.content.shape == (len(split.samples), 1, 32, 32)
        assert (split.content.numpy() == left_half()).all()
        assert split.roi is not None
        assert split.roi.untyped_storage().nbytes() == 32 * 32


@pytest.mark.parametrize("aspect", ["stretch", "pad"])
def test_a_region_is_brought_to_the_runs_size_as_its_image_is(aspect: str, tiny: Path, tmp_path: Path) -> None:
    for path in tiny.rglob("*.png"):
        Image.open(path).resize((48, 32)).save(path)
    own = left_half(32, 48)
    data = build(tiny, roi=save(tmp_path / "own.png", own), image_size=24, aspect=aspect)
    assert (data.val.content[0, 0].numpy() == fit_mask(own, (24, 24), aspect)).all()
    full = build(tiny, roi=save(tmp_path / "run.png", np.ones((24, 24))), image_size=24, aspect=aspect)
    assert (full.val.content == build(tiny, image_size=24, aspect=aspect).val.content).all(), "padding is never judged"


def test_a_folder_holds_a_mask_for_each_image(tiny: Path, tmp_path: Path) -> None:
    """By the image's path as far as it is repeated, by its name, and with another suffix or `_mask`."""
    shutil.rmtree(tiny / "ground_truth")
    everything = [*tiny.glob("t*/*/*.png")]
    for i, path in enumerate(everything):
        region = np.arange(32 * 32).reshape(32, 32) <= i
        name = f"{path.stem}_mask.png" if i % 2 else f"{path.stem}.bmp"
        save(tmp_path / "rois" / path.relative_to(tiny).parent / name, region)
    data = build(tiny, roi=str(tmp_path / "rois"))
    found = {}
    for split in (data.train, data.val, data.test):
        found |= {sample.path: int(one.sum()) for sample, one in zip(split.samples, split.content, strict=True)}
    assert found == {path: i + 1 for i, path in enumerate(everything)}
    assert data.reader.regions is not None
    assert data.reader.regions.common is None


def test_names_that_leave_open_whose_region_a_mask_is(tiny: Path, tmp_path: Path) -> None:
    for i in range(12):
        save(tmp_path / "flat" / f"{i:03d}.png", left_half())
    with pytest.raises(ValueError, match=r"flat/000.png is the region of interest of both .*; repeat the"):
        build(tiny, roi=str(tmp_path / "flat"))
    shutil.rmtree(tiny / "test")
    shutil.rmtree(tiny / "ground_truth")
    assert build(tiny, roi=str(tmp_path / "flat")).train.roi is not None
    (tmp_path / "flat" / "007.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"no region of interest of .*/007.png: expected .*good/007_mask.png"):
        build(tiny, roi=str(tmp_path / "flat"))
    with pytest.raises(ValueError, match="but it is an image of the data set"):
        build(tiny, roi=str(tiny))


def test_a_region_is_cropped_and_turned_with_its_image(tiny: Path, tmp_path: Path) -> None:
    """The red channel of every image shows its region; nothing else of a batch depends on regions."""
    rng = np.random.default_rng(0)
    for path in tiny.glob("train/good/*.png"):
        region = rng.random((32, 32)) < 0.5
        image = np.asarray(Image.open(path)).copy()
        image[..., 0] = 255 * region
        Image.fromarray(image).save(path)
        save(tmp_path / "rois" / "train" / "good" / path.name, region)
    shutil.rmtree(tiny / "test")
    shutil.rmtree(tiny / "ground_truth")
    data, plain = build(tiny, roi=str(tmp_path / "rois")), build(tiny)
    for one in (data, plain):
        one.trainer = SimpleNamespace(  # type: ignore[assignment]
            global_step=0, strategy=SimpleNamespace(root_device=torch.device("cpu"))
        )
    raws = [list(islice(one.train_dataloader(), 4)) for one in (data, plain)]
    for step, raw, without in zip((0, 9, 19, 29), *raws, strict=True):
        batch = data.training_batch(raw._replace(step=step))
        assert torch.equal(batch.clean[:, :1] > 0.5, batch.roi)
        same = plain.training_batch(without._replace(step=step))
        assert same.roi is None
        assert all(torch.equal(a, b) for a, b in zip(batch.parts, same.parts, strict=False))
    for batch in data.damaged():
        assert torch.equal(batch.clean[:, :1] > 0.5, batch.roi)


def test_a_region_is_part_of_the_datas_identity(tiny: Path, tmp_path: Path) -> None:
    region = left_half()
    first = build(tiny, roi=save(tmp_path / "roi.png", region)).identity
    assert build(tiny).identity != first
    assert build(tiny, roi=save(tmp_path / "elsewhere" / "name.png", region)).identity == first
    region[0, 31] = True
    assert build(tiny, roi=save(tmp_path / "roi.png", region)).identity != first


def test_defects_outside_are_left_out_and_others_are_cut(tiny: Path, tmp_path: Path) -> None:
    truth = tiny / "ground_truth" / "square"
    for i, columns in enumerate([slice(2, 6), slice(12, 20), slice(20, 26), slice(28, 32)]):
        mask = np.zeros((32, 32), bool)
        mask[4:8, columns] = True
        save(truth / f"{i:03d}_mask.png", mask * 255)
    data = build(tiny, roi=save(tmp_path / "roi.png", left_half()))
    assert [s.path.stem for s in data.test.samples if s.label] == ["000", "001"]
    assert data.mask[-2:].sum(dim=(1, 2, 3)).tolist() == [16, 16]
    assert data.has_mask.all()
    assert any("2 test image(s) have no defect in the region of interest, and are left out" in n for n in data.notes)
    assert len(data.index.test) == 8


def test_shared_regions_need_no_search(tmp_path: Path) -> None:
    file = Path(save(tmp_path / "roi.png", left_half()))
    assert Regions(file).file_of(tmp_path / "anything.png") == file


def test_a_region_in_the_padding_alone_is_refused(tiny: Path, tmp_path: Path) -> None:
    for path in tiny.rglob("*.png"):
        Image.open(path).resize((48, 32)).save(path)
    region = np.zeros((24, 24))
    region[18:] = 1  # the images end at row 16
    with pytest.raises(ValueError, match=r"roi.png marks no pixel of .*, only padding; draw it anew"):
        build(tiny, roi=save(tmp_path / "roi.png", region), image_size=24, aspect="pad")
