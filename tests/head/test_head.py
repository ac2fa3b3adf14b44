"""Laws of heads: what they learn, and that they never change F."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig

from fae.head.none import NoHead
from fae.head.residual import ResidualHead
from fae.head.target import Target, focal_loss, target
from fae.train import train
from fae.types import Batch
from tests.conftest import SHORT

Build = Callable[..., DictConfig]


def damaged() -> Batch:
    """A grey picture of two cells of 4 px; the left one is damaged, and the damage shows in its upper half."""
    clean = torch.full((1, 3, 4, 8), 0.5)
    mask = torch.zeros(1, 1, 4, 8)
    mask[..., :4] = 1
    corrupted = clean.clone()
    corrupted[:, 1, :2, :4] += 0.1
    return Batch(clean, corrupted, mask)


@pytest.mark.parametrize(
    ("change", "covered", "clear", "expected"),
    [
        (0.03, 0.3, 0.02, ([1, 0], [0, 1])),
        (0.2, 0.3, 0.02, ([0, 0], [0, 1])),  # the change does not show: the cell is neither damaged nor intact
        (0.03, 0.6, 0.02, ([0, 0], [0, 1])),  # half of the cell shows damage
    ],
)
def test_cells_by_what_happened_to_them(
    change: float, covered: float, clear: float, expected: tuple[list[int], list[int]]
) -> None:
    found = target(damaged(), (1, 2), change, covered, clear)
    assert (found.damaged.flatten().tolist(), found.intact.flatten().tolist()) == expected


def test_focal_loss_by_hand() -> None:
    """γ = 0 is the cross-entropy, averaged over each kind of cells apart."""
    logit = torch.tensor([0.0, 2.0, -1.0, 3.0]).view(1, 1, 1, 4)
    damage = torch.tensor([1.0, 0.0, 0.0, 0.0]).view(1, 1, 1, 4)
    intact = torch.tensor([0.0, 1.0, 1.0, 0.0]).view(1, 1, 1, 4)
    p = logit.sigmoid().flatten()
    both = Target(damage, intact)
    assert float(focal_loss(logit, both, 0)) == pytest.approx(
        float(-p[0].log() - ((1 - p[1]).log() + (1 - p[2]).log()) / 2)
    )
    hard = -((1 - p[0]) ** 2) * p[0].log() - (p[1] ** 2 * (1 - p[1]).log() + p[2] ** 2 * (1 - p[2]).log()) / 2
    assert float(focal_loss(logit, both, 2)) == pytest.approx(float(hard))
    assert float(focal_loss(logit, Target(damage * 0, intact * 0), 2)) == 0
    two = Target(torch.cat([damage, damage * 0]), torch.cat([intact, intact * 0]))  # the second image has no such cells
    assert float(focal_loss(torch.cat([logit, logit]), two, 2)) == pytest.approx(float(hard) / 2)


def test_without_a_head_there_is_nothing() -> None:
    point = torch.rand(2, 3, 4, 4)
    assert NoHead().losses(point, point, damaged()) == {}
    assert NoHead().evidence(point, point).shape == (2, 0, 4, 4)


def test_no_gradient_reaches_f() -> None:
    head = ResidualHead(3, width=4)
    point, reconstruction = torch.rand(1, 3, 4, 8), torch.rand(1, 3, 4, 8, requires_grad=True)
    head.losses(point, reconstruction, damaged())["head"].backward()
    assert reconstruction.grad is None
    assert all(one.grad is not None for one in head.parameters())


def test_it_learns_what_a_residual_means() -> None:
    """Where the first channel is repaired there is damage; the second channel is noise that nobody can repair."""
    torch.manual_seed(0)
    head = ResidualHead(2, width=8)
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-2)

    def draw() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        where = (torch.rand(4, 1, 8, 8) < 0.1).float()
        point = torch.randn(4, 2, 8, 8)
        return point, torch.cat([point[:, :1] - where, point[:, 1:] + 5 * torch.randn(4, 1, 8, 8)], dim=1), where

    for _ in range(150):
        point, reconstruction, where = draw()
        optimizer.zero_grad()
        focal_loss(head(point, reconstruction), Target(where, 1 - where), 2.0).backward()
        optimizer.step()
    point, reconstruction, where = draw()
    evidence = head.eval().evidence(point, reconstruction)
    assert evidence[where > 0].min() > evidence[where == 0].max()


@pytest.mark.parametrize(("name", "value"), [("width", 0), ("gamma", -1.0), ("change", 2.0), ("clear", -0.1)])
def test_wrong_arguments(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"head.{name} \(={value}\) must"):
        ResidualHead(3, **{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "space", [(), ("space=lite0", "model=residual_sdc", "data.crop_sizes=[32]")], ids=["pixel", "lite0"]
)
def test_f_is_equal_to_the_bit_with_and_without_a_head(
    space: tuple[str, ...], tiny_config: Build, tmp_path: Path, unpainted: None
) -> None:
    found = []
    for head in ("none", "residual_nearest"):
        train(tiny_config(head, *SHORT, *space, f"head={head}", "corruption=mix"))
        state = torch.load(tmp_path / head / "last.ckpt", weights_only=True)["state_dict"]
        found.append({key: value for key, value in state.items() if not key.startswith("network.head.")})
    without, beside = found
    assert without.keys() == beside.keys()
    assert all(torch.equal(without[key], beside[key]) for key in without)


def test_cells_outside_the_region_of_interest_teach_nothing() -> None:
    batch = damaged()
    whole = torch.ones(1, 1, 4, 8, dtype=torch.bool)
    right, corner = whole.clone(), whole.clone()
    right[..., :4], corner[..., :3] = False, False  # the corner keeps a column of the damaged cell

    def found(roi: torch.Tensor) -> tuple[list[float], list[float]]:
        cells = target(batch._replace(roi=roi), (1, 2), 0.03, 0.3, 0.02)
        return cells.damaged.flatten().tolist(), cells.intact.flatten().tolist()

    assert found(whole) == ([1, 0], [0, 1])
    assert found(right) == ([0, 0], [0, 1])
    assert found(corner) == ([0, 0], [0, 1]), "too little of the damage lies inside"
