"""The memories that experiments/features compares with: laws, and a whole run."""

import json
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from experiments.features.memory import PaDiM, PatchCore, coreset, main


class Backbone(nn.Module):
    """Three feature maps at strides 4, 8 and 16."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList([nn.Conv2d(3, 4, 4, 4), nn.Conv2d(4, 5, 2, 2), nn.Conv2d(5, 6, 2, 2)])

    def forward(self, image: Tensor) -> list[Tensor]:
        maps = []
        for layer in self.layers:
            image = layer(image)
            maps.append(image)
        return maps


@pytest.fixture
def images() -> Tensor:
    return (torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 255).byte()


def test_a_coreset_by_blocks_leaves_nothing_far_away() -> None:
    patches = torch.randn(600, 8, generator=torch.Generator().manual_seed(2))
    patches[7] += 100
    whole, blocks = (coreset(patches, 0.1, torch.Generator().manual_seed(3), block) for block in (600, 200))
    assert len(whole) == len(blocks) == 60
    assert len(blocks.unique(dim=0)) == 60
    assert (blocks == patches[7]).all(dim=1).any()
    gap, gap_of_whole = (float(torch.cdist(patches, found).amin(dim=1).max()) for found in (blocks, whole))
    random = patches[torch.randperm(600, generator=torch.Generator().manual_seed(4))[:60]]
    assert gap_of_whole <= gap < float(torch.cdist(patches, random).amin(dim=1).max())


@torch.no_grad()
def test_patchcore_by_brute_force(images: Tensor) -> None:
    memory = PatchCore(Backbone(), seed=0, share=0.5)
    memory.fit(images)
    assert len(memory.bank) == round(0.5 * 5 * 16)
    new = torch.rand(2, 3, 32, 32)
    patches = memory.features(new).flatten(2).transpose(1, 2).flatten(0, 1)
    expected = torch.cdist(patches, memory.bank).amin(dim=1).view(2, 1, 4, 4)
    assert torch.allclose(memory(new), expected, atol=1e-3)
    assert (memory.image_score(new) <= memory(new).amax(dim=(1, 2, 3)) + 1e-3).all()
    everything = PatchCore(Backbone(), seed=0, share=1.0)
    everything.fit(images)
    assert everything(images.float() / 255).max() < 0.05


@torch.no_grad()
def test_padim_by_hand(images: Tensor) -> None:
    memory = PaDiM(Backbone(), seed=0, channels=4)
    memory.fit(images)
    cells = memory._cells(images.float() / 255)  # (N, places, channels)
    new = torch.rand(1, 3, 32, 32)
    at, found = memory._cells(new)[0], memory(new).flatten()
    for place in (0, 7):
        covariance = torch.cov(cells[:, place].T) + 0.01 * torch.eye(4)
        apart = at[place] - cells[:, place].mean(dim=0)
        assert float(found[place]) == pytest.approx(
            float((apart @ torch.linalg.inv(covariance) @ apart).sqrt()), rel=1e-3
        )


@pytest.mark.parametrize("kind", ["patchcore", "padim"])
def test_a_memory_is_measured_like_a_run(kind: str, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["experiment=features", "data=folder", "category=generic", f"data.root={tiny}", "data.image_size=32"]
    monkeypatch.setattr(sys, "argv", ["memory", kind, *words])
    main()
    found = json.loads(Path(f"multirun/features/tiny-{kind}-seed0.json").read_text())
    assert found["rival"] == kind
    assert found["image_auroc"] > 0.9  # bright squares on stripes
    assert found["mib"] > 0


def test_a_wrong_kind_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["memory", "patchcor"])
    with pytest.raises(SystemExit, match="usage"):
        main()
