from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from PIL import Image

from fae.picture.sheet import amplitude, coverage
from fae.preview import preview
from fae.types import Batch
from tests.conftest import Inspect
from tests.processes import Forked


def test_coverage_and_amplitude_by_hand() -> None:
    clean = torch.full((2, 3, 2, 2), 0.5)
    mask = torch.tensor([[1.0, 0.0], [0.0, 0.0]]).expand(2, 1, 2, 2).clone()
    mask[1] = 0
    corrupted = torch.lerp(clean, torch.full_like(clean, 0.9), mask)
    batch = Batch(clean, corrupted, mask)
    assert coverage(batch).tolist() == [0.25, 0]
    torch.testing.assert_close(amplitude(batch), torch.tensor([0.4, 0.0]))
    left = torch.tensor([[True, False], [True, False]]).expand(2, 1, 2, 2)
    assert coverage(batch._replace(roi=left)).tolist() == [0.5, 0]
    assert coverage(batch._replace(roi=~left)).tolist() == [0, 0]
    torch.testing.assert_close(amplitude(batch._replace(roi=~left)), torch.tensor([0.0, 0.0]))


@pytest.mark.parametrize("extra", [[], ["data.noise_sigma=0.1"], ["data.image_size=[20,40]"]], ids=str)
def test_preview(extra: list[str], tiny_config: Callable[..., DictConfig], tmp_path: Path) -> None:
    path = preview(tiny_config("sheet", "corruption=mix", "pictures=5", *extra))
    assert path == tmp_path / "sheet" / "preview.png"
    picture = np.asarray(Image.open(path).convert("RGB"))
    assert min(picture.shape[:2]) > 400
    assert picture.std() > 20


def test_the_outline_of_the_region_of_interest_is_shown(tiny_config: Callable[..., DictConfig], tmp_path: Path) -> None:
    Image.fromarray(np.tri(32, dtype=np.uint8)).save(tmp_path / "roi.png")
    blue = []
    for roi in ("null", str(tmp_path / "roi.png")):
        path = preview(tiny_config("sheet", "corruption=elastic", "pictures=2", f"data.roi={roi}"))
        picture = np.asarray(Image.open(path).convert("RGB")).astype(int)
        blue.append(int((np.abs(picture - (46, 156, 255)).max(axis=2) < 20).sum()))
    assert blue[0] == 0
    assert blue[1] > 100


def test_the_command_logs_to_wandb(
    tiny: Path, tmp_path: Path, forked: Forked, inspected: Inspect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    words = ["experiment=quick", "data=folder", f"data.root={tiny}", "category=generic", "data.image_size=32"]
    result = forked.command("fae.preview", *words, "corruption=elastic", "pictures=2")
    assert result.returncode == 0, result.stderr
    folder = tmp_path / "previews" / "folder-tiny-elastic"
    assert "preview.png: median coverage 0." in result.stdout
    assert (folder / "preview.png").is_file()
    shown = str(inspected(folder / "wandb"))
    for word in ("preview", "coverage", "amplitude_median", "noise_sigma"):
        assert word in shown, word
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cache", "previews", "tiny"]


def test_preview_explains_what_is_wrong(tiny: Path, tmp_path: Path, forked: Forked) -> None:
    words = ["data=folder", f"data.root={tiny}", "category=generic", "corruption.probability.elastic=0.9"]
    result = forked.command("fae.preview", *words)
    assert result.returncode == 1
    assert "sum to 1, not 1.5" in result.stderr
    assert not (tmp_path / "previews").exists()
