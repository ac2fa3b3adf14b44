"""Laws of the memory of normal cells, and of several heads beside each other."""

import pytest
import torch
from torch import Tensor

from fae.head.coreset import farthest
from fae.head.head import Part
from fae.head.nearest import NearestHead
from fae.head.none import NoHead
from fae.head.residual import ResidualHead
from fae.head.several import Heads


def points(seed: int = 0, images: int = 6) -> Tensor:
    return torch.randn(images, 5, 4, 4, generator=torch.Generator().manual_seed(seed))


def test_each_choice_of_the_coreset_is_the_farthest() -> None:
    cells = torch.randn(60, 8, generator=torch.Generator().manual_seed(2))
    seed = torch.Generator().manual_seed(3)
    projected = cells @ torch.randn(8, 64, generator=seed.clone_state()) / 8
    chosen = farthest(cells, 10, torch.Generator().manual_seed(3)).tolist()
    assert len(set(chosen)) == 10
    for i in range(1, 10):
        to_chosen = torch.cdist(projected, projected[chosen[:i]]).amin(dim=1)
        assert float(to_chosen[chosen[i]]) == pytest.approx(float(to_chosen.max()), rel=1e-4)


def test_the_evidence_is_the_squared_distance_to_the_nearest_cell() -> None:
    head = NearestHead(most=10)
    head.remember(map(Part, points().split(2)), 6, fine=2)
    new = points(1, 2)
    cells = new[:, 2:].permute(0, 2, 3, 1).reshape(-1, 3)
    expected = torch.cdist(cells, head.bank).amin(dim=1).square().view(2, 1, 4, 4)
    assert torch.allclose(head.evidence(new, torch.zeros_like(new)), expected, atol=1e-4)
    known = points().permute(0, 2, 3, 1).reshape(-1, 5)[:, 2:]
    assert float(torch.cdist(head.bank, known).amin(dim=1).max()) < 0.01, "it holds cells of the images"
    assert len(head.bank.unique(dim=0)) == 10


def test_a_memory_with_room_for_all_is_the_nearest_neighbour() -> None:
    head = NearestHead(most=1000)
    head.remember(map(Part, points().split(4)), 6, 0)
    assert head.bank.shape == (1000, 5), "one shape, however many cells there are"
    assert float(head.evidence(points(), points()).max()) < 1e-3
    far = points()
    far[0, :, 1, 1] += 10
    assert head.evidence(far, far).flatten().argmax() == 5


def test_what_is_remembered_is_a_function_of_the_seed_and_is_restored_to_the_bit() -> None:
    first, same, other = (NearestHead(most=20, seed=seed) for seed in (0, 0, 1))
    for head in (first, same, other):
        head.remember(map(Part, points().split(2)), 6, 0)
    assert torch.equal(first.bank, same.bank)
    assert not torch.equal(first.bank, other.bank)
    restored = NearestHead(most=20)
    with pytest.raises(RuntimeError, match="remembers nothing"):
        restored.evidence(points(), points())
    restored.load_state_dict(first.state_dict())
    restored.remember(map(Part, points(9).split(2)), 6, 0)  # a resumed run keeps what it knows
    assert torch.equal(restored.evidence(points(1), points(1)), first.evidence(points(1), points(1)))


@torch.no_grad()
def test_several_heads_make_the_maps_of_each() -> None:
    torch.manual_seed(0)
    residual, nearest = ResidualHead(5, width=4).eval(), NearestHead(most=20)
    heads = Heads("both", {"residual": residual, "nearest": nearest, "none": NoHead()})
    heads.remember(map(Part, points().split(2)), 6, 0)
    assert heads.names == ("head", "nearest")
    found = heads.evidence(points(1), points(2))
    assert torch.equal(found[:, :1], residual.evidence(points(1), points(2)))
    assert torch.equal(found[:, 1:], nearest.evidence(points(1), points(2)))
    with pytest.raises(ValueError, match=r"head.members make maps of equal names \(nearest, nearest\)"):
        Heads("twice", {"a": nearest, "b": NearestHead()})


@pytest.mark.parametrize(("keys", "told"), [({"most": 0}, r"head.most \(=0\)")])
def test_what_a_memory_refuses(keys: dict[str, int], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        NearestHead(**keys)


def test_cells_outside_the_region_of_interest_are_not_remembered() -> None:
    roi = torch.zeros(6, 1, 4, 4, dtype=torch.bool)
    roi[..., :2] = True
    head = NearestHead(most=1000)
    head.remember([Part(points(), roi)], 6, 0)
    evidence = head.evidence(points(), points())
    assert float(evidence[roi].max()) < 1e-3
    assert float(evidence[~roi].min()) > 1e-2
