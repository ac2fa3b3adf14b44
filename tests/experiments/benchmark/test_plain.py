from pathlib import Path

import pytest
import torch
from torch import nn

from experiments.benchmark.plain import PlainImages, plain_auroc, plain_batches, plain_step
from fae.metric.auroc import auroc
from fae.objective.filter import Filter


@pytest.fixture
def images(tiny: Path) -> PlainImages:
    return PlainImages(sorted((tiny / "train" / "good").iterdir()), (32, 32), (24, 24))


def test_damage_lies_under_its_mask(images: PlainImages) -> None:
    torch.manual_seed(0)
    for clean, corrupted, mask in (images[i].parts for i in range(len(images))):
        assert clean.shape == corrupted.shape == (3, 24, 24)
        assert mask.shape == (1, 24, 24)
        assert all(0 <= part.min() <= part.max() <= 1 for part in (clean, corrupted, mask))
        untouched = (mask == 0).expand_as(clean)
        assert torch.equal(clean[untouched], corrupted[untouched])
        assert not torch.equal(clean, corrupted)


def test_every_draw_is_another(images: PlainImages) -> None:
    assert not torch.equal(images[0].corruption_mask, images[0].corruption_mask)


def test_a_step_learns(images: PlainImages) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Sigmoid())
    before = model[0].weight.detach().clone()
    batches = plain_batches(images, 4)
    step = plain_step(model, Filter(), batches, torch.device("cpu"))
    step()
    assert not torch.equal(before, model[0].weight)
    del step, batches


def test_auroc_is_ours(generator: torch.Generator) -> None:
    maps = torch.rand(3, 1, 8, 8, generator=generator)
    mask = torch.rand(3, 1, 8, 8, generator=generator) > 0.7
    assert plain_auroc(maps, mask) == pytest.approx(auroc(maps[~mask].numpy(), maps[mask].numpy()), abs=1e-6)
