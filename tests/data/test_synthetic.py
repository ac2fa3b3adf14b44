import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from fae.data import synthetic as module
from fae.data.defect import DEFECTS
from fae.data.fit import fit, fit_mask
from fae.data.folder import folder
from fae.data.synthetic import synthetic
from fae.data.texture import TEXTURES, photograph
from fae.image import read_image, read_mask
from fae.metric.auroc import auroc
from fae.metric.trivial import IMAGE_STATISTICS, PIXEL_STATISTICS


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("SIZE", 64), ("TRAIN", 3), ("TEST_GOOD", 2), ("TEST_EACH", 1)):
        monkeypatch.setattr(module, name, value)


@pytest.mark.usefixtures("small")
def test_writes_a_real_folder_once(tmp_path: Path) -> None:
    index = synthetic(str(tmp_path), "wood")
    assert index.dataset == "synthetic:wood"
    assert "SYNTHETIC DATA" in index.notes[0]
    home = tmp_path / "synthetic-v1-seed0" / "wood"
    files = {p: p.stat().st_mtime_ns for p in home.rglob("*.png")}
    assert len(files) == 3 + 2 + 2 * len(DEFECTS)
    synthetic(str(tmp_path), "wood")
    assert files == {p: p.stat().st_mtime_ns for p in home.rglob("*.png")}
    assert [p.name for p in home.parent.iterdir()] == ["wood"]
    again = folder(str(home), "generic")
    assert [s.defect_type for s in again.test if s.label] == sorted(DEFECTS)
    other = synthetic(str(tmp_path), "wood", seed=1)
    assert not np.array_equal(read_image(other.train[0].path), read_image(index.train[0].path))


@pytest.mark.usefixtures("small")
def test_an_interrupted_drawing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setitem(DEFECTS, "thread", fail)
    with pytest.raises(OSError, match="disk full"):
        synthetic(str(tmp_path), "wood")
    assert list((tmp_path / "synthetic-v1-seed0").iterdir()) == []


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
    assert module.VERSION == 1
    assert digest.hexdigest() == "f43b6cf8faa13cea3b0d8c5f0fc2156c3f25d8b32854c0a9a5b518c0b59ac74e"


@pytest.mark.parametrize("category", sorted(TEXTURES))
def test_no_trivial_statistic_finds_the_defects(category: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRAIN", 3)  # the test images stay as they are
    index = synthetic(str(tmp_path), category)

    size = (128, 128)
    test = [
        (
            fit(read_image(s.path), size, "stretch")[0],
            fit_mask(read_mask(s.mask), size, "stretch") if s.mask else None,
            s.label,
        )
        for s in index.test
    ]
    image = torch.from_numpy(np.stack([t[0] for t in test])).permute(0, 3, 1, 2).float() / 255
    mask = np.stack([np.zeros(size, bool) if t[1] is None else t[1] for t in test])
    label = np.array([t[2] for t in test], bool)
    reached = {}
    for name, statistic in IMAGE_STATISTICS.items():
        values = statistic(image).numpy()
        reached[name] = auroc(values[~label], values[label])
    for name, statistic in PIXEL_STATISTICS.items():
        values = statistic(image)[:, 0].numpy()
        reached[name] = auroc(values[~mask], values[mask])
    assert all(0.25 <= value <= 0.75 for value in reached.values()), reached
