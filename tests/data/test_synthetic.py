import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from fae.data.defect import DEFECTS
from fae.data.fit import fit, fit_mask
from fae.data.folder import folder
from fae.data.synthetic import TEST_EACH, TEST_GOOD, VERSION, draw, synthetic
from fae.data.texture import TEXTURES, photograph
from fae.image import read_image
from fae.metric.auroc import auroc
from fae.metric.trivial import IMAGE_STATISTICS, PIXEL_STATISTICS
from tests.data.conftest import files_up_to

SMALL = {"size": 64, "train": 3, "test_good": 2, "test_each": 1}


def test_writes_a_real_folder_once(tmp_path: Path) -> None:
    index = synthetic(str(tmp_path), "wood", **SMALL)
    assert index.dataset == "synthetic:wood"
    assert "SYNTHETIC DATA" in index.notes[0]
    home = tmp_path / "synthetic-v1-seed0-64px-3-2-1" / "wood"
    files = {p: p.stat().st_mtime_ns for p in home.rglob("*.png")}
    assert len(files) == 3 + 2 + 2 * len(DEFECTS)
    synthetic(str(tmp_path), "wood", **SMALL)
    assert files == {p: p.stat().st_mtime_ns for p in home.rglob("*.png")}
    assert [p.name for p in home.parent.iterdir()] == ["wood"]
    again = folder(str(home), "generic")
    assert [s.defect_type for s in again.test if s.label] == sorted(DEFECTS)
    for sample in again.all:
        image, mask = draw("wood", 0, str(sample.path.parent.relative_to(home)), int(sample.path.stem), 64)
        np.testing.assert_array_equal(read_image(sample.path), image)
        assert (mask is None) == (sample.mask is None)
        if sample.mask is not None:
            np.testing.assert_array_equal(sample.mask.outline().defect, mask)
    other = synthetic(str(tmp_path), "wood", seed=1, **SMALL)
    assert not np.array_equal(read_image(other.train[0].path), read_image(index.train[0].path))


def test_the_folder_of_the_default_numbers(tmp_path: Path) -> None:
    """What was drawn once stays in use."""
    drawn = synthetic(str(tmp_path / "small"), "wood", **SMALL).train[0].path.parents[2]
    shutil.copytree(drawn, tmp_path / "synthetic-v1-seed0" / "wood")
    assert synthetic(str(tmp_path), "wood").train[0].path == tmp_path / "synthetic-v1-seed0/wood/train/good/000.png"


def test_an_interrupted_drawing_leaves_nothing(tmp_path: Path) -> None:
    """No room is left for the largest of its files, which is not the first."""
    index = synthetic(str(tmp_path / "whole"), "wood", **SMALL)
    sizes = [sample.path.stat().st_size for sample in index.all]
    assert sizes[0] < max(sizes)
    with files_up_to(max(sizes) - 1), pytest.raises(OSError, match="File too large"):
        synthetic(str(tmp_path), "wood", **SMALL)
    assert list((tmp_path / "synthetic-v1-seed0-64px-3-2-1").iterdir()) == []


def test_no_twin() -> None:
    with pytest.raises(ValueError, match="category .=screw. has no synthetic twin; choose one of carpet, grid"):
        synthetic("x", "screw")


@pytest.mark.parametrize("texture", sorted(TEXTURES))
@pytest.mark.parametrize("defect", sorted(DEFECTS))
def test_a_defect_changes_what_its_mask_says(texture: str, defect: str) -> None:
    rng = np.random.default_rng(3)
    clean = TEXTURES[texture](rng, 128)
    damaged = clean.copy()
    mask = DEFECTS[defect](rng, damaged)
    changed = np.abs(damaged - clean).max(axis=2)
    assert mask.dtype == bool
    assert 0.001 < mask.mean() < 0.15
    assert changed[mask].mean() > 0.05
    far = ~(torch.nn.functional.max_pool2d(torch.from_numpy(mask)[None].float(), 15, 1, 7)[0].numpy() > 0)
    assert changed[far].max() < 0.02


def test_the_generator_is_frozen() -> None:
    """A change of what is drawn needs a new VERSION; coarse, so that no rounding of a library trips it."""
    digest = hashlib.sha256()
    for texture in sorted(TEXTURES):
        for defect in sorted(DEFECTS):
            rng = np.random.default_rng(5)
            picture = TEXTURES[texture](rng, 128)
            mask = DEFECTS[defect](rng, picture)
            photo = photograph(rng, picture)
            cells = photo.reshape(4, 32, 4, 32, 3).mean(axis=(1, 3, 4))
            digest.update(np.round(cells / 8).astype(np.uint8).tobytes())
            digest.update(np.round(mask.reshape(4, 32, 4, 32).mean(axis=(1, 3)) * 10).astype(np.uint8).tobytes())
    assert VERSION == 1
    assert digest.hexdigest() == "f43b6cf8faa13cea3b0d8c5f0fc2156c3f25d8b32854c0a9a5b518c0b59ac74e"


@pytest.mark.parametrize("category", sorted(TEXTURES))
def test_no_trivial_statistic_finds_the_defects(category: str) -> None:
    """All test images of the data set, without the files."""
    size = (128, 128)
    test = []
    for split, count in {"test/good": TEST_GOOD, **{f"test/{name}": TEST_EACH for name in DEFECTS}}.items():
        for number in range(count):
            picture, outline = draw(category, 0, split, number)
            outline = np.zeros(picture.shape[:2], bool) if outline is None else outline
            test.append((fit(picture, size, "stretch")[0], fit_mask(outline, size, "stretch")))
    image = torch.from_numpy(np.stack([t[0] for t in test])).permute(0, 3, 1, 2).float() / 255
    mask = np.stack([t[1] for t in test])
    label = np.arange(len(test)) >= TEST_GOOD
    reached = {}
    for name, statistic in IMAGE_STATISTICS.items():
        values = statistic(image).numpy()
        reached[name] = auroc(values[~label], values[label])
    for name, statistic in PIXEL_STATISTICS.items():
        values = statistic(image)[:, 0].numpy()
        reached[name] = auroc(values[~mask], values[mask])
    assert all(0.25 <= value <= 0.75 for value in reached.values()), reached
