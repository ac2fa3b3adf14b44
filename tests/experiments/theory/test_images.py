"""Figures 8 and 9, footnote 7 and the network's distance from a projection, each against a slow way to say it."""

import itertools

import pytest
import torch
from torch import Generator, Tensor

from experiments.theory.manifold import idempotence, jacobian_distance
from experiments.theory.nearest import nearest, swapped
from experiments.theory.violation import box_sums, difference, smallest_violating_width, variance, worst_share
from experiments.theory.windows import window_moments
from fae.model.autoencoder import SDCAutoencoder


def images(generator: Generator, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=generator)


@pytest.mark.parametrize(("side", "window"), [(9, 4), (8, 8), (7, 1)])
def test_window_moments_equal_those_of_cut_out_windows(side: int, window: int, generator: Generator) -> None:
    image = images(generator, 3, 3, side, side)
    grey = image.double().mean(dim=1)
    places = range(side - window + 1)
    cut = torch.stack([grey[:, i : i + window, j : j + window] for i, j in itertools.product(places, places)])
    cut = cut.flatten(0, 1)
    found = window_moments(image, window)
    torch.testing.assert_close(found.mean, cut.mean(dim=0))
    torch.testing.assert_close(found.deviation, cut.std(dim=0, correction=0), atol=1e-7, rtol=1e-6)


def test_box_sums_and_the_worst_square(generator: Generator) -> None:
    values = images(generator, 6, 9).double()
    cut = values.unfold(0, 3, 1).unfold(1, 3, 1).sum(dim=(2, 3))
    torch.testing.assert_close(box_sums(values, 3), cut)
    assert worst_share(values, 3) == pytest.approx(float(cut.max() / values.sum()))
    assert worst_share(torch.zeros(4, 4).double(), 2) == 0
    with pytest.raises(ValueError, match=r"width \(=7\) must lie in 1 to 6"):
        box_sums(values, 7)


def test_the_difference_of_two_images_sums_over_channels() -> None:
    one, other = torch.tensor([0.0, 1.0, 0.5]).view(3, 1, 1), torch.tensor([0.0, 0.0, 1.0]).view(3, 1, 1)
    assert difference(one, other).tolist() == [[1.25]]


def test_variance_is_half_the_mean_squared_difference_and_knows_no_colour(generator: Generator) -> None:
    image = images(generator, 40, 3, 30, 30) * torch.tensor([0.2, 0.5, 0.3]).view(3, 1, 1)
    half = (image[::2].double() - image[1::2]).square().mean() / 2
    assert variance(image) == pytest.approx(float(half), rel=0.02)
    assert variance(image + torch.tensor([0.7, 0.0, 0.1]).view(3, 1, 1)) == pytest.approx(variance(image), rel=1e-5)


def test_the_smallest_square_that_violates(generator: Generator) -> None:
    for _ in range(20):
        squared = images(generator, 11, 11).double() ** 6
        slow = next(width for width in range(1, 12) if worst_share(squared, width) > 0.5)
        assert smallest_violating_width(squared) == slow
    assert smallest_violating_width(torch.zeros(5, 5).double()) is None, "equal images"


def test_nearest_equals_all_distances(generator: Generator) -> None:
    query, image = images(generator, 7, 3, 200, 150), images(generator, 5, 3, 200, 150)  # more than one part
    distance = (query.double()[:, None] - image.double()).flatten(2).norm(dim=2)
    found = nearest(query, image)
    assert found.which.tolist() == distance.argmin(dim=1).tolist()
    torch.testing.assert_close(found.distance, distance.amin(dim=1))
    itself = nearest(image, image)
    assert itself.which.tolist() == list(range(5))
    assert itself.distance.max() < 1e-4  # rounding, by the order in which the processor sums; the others lie at 122
    with pytest.raises(ValueError, match="of the shape of query"):
        nearest(query, image[..., :-1])


@pytest.mark.parametrize("same_place", [False, True])
def test_swapped_squares(same_place: bool, generator: Generator) -> None:
    image = (torch.arange(6.0).view(6, 1, 1, 1) + torch.linspace(0, 0.5, 63).view(1, 1, 7, 9)).expand(6, 3, 7, 9)
    found = swapped(image, 4, generator, same_place)
    changed = found != image
    for i in range(6):
        rows, columns = changed[i, 0].any(dim=1).nonzero(), changed[i, 0].any(dim=0).nonzero()
        assert len(rows) == len(columns) == 4
        top, left = int(rows[0]), int(columns[0])
        patch = found[i, :, top : top + 4, left : left + 4]
        other = int(patch.min())
        assert other != i
        if same_place:
            assert torch.equal(patch, image[other, :, top : top + 4, left : left + 4])
        else:
            assert torch.allclose(patch[0].diff(dim=1), image[other, 0, :4, :4].diff(dim=1), atol=1e-5)
    assert torch.equal(swapped(image, 0, generator), image)
    with pytest.raises(ValueError, match=r"width \(=8\) must lie in 0 to 7"):
        swapped(image, 8, generator)
    with pytest.raises(ValueError, match="two at least"):
        swapped(image[:1], 2, generator)


def test_a_projection_is_idempotent(generator: Generator) -> None:
    image = images(generator, 3, 3, 4, 4)
    assert idempotence(lambda x: x.mean(dim=(2, 3), keepdim=True).expand_as(x), image).max() < 1e-7
    halved = idempotence(lambda x: x / 2, image)
    torch.testing.assert_close(halved, image.square().flatten(1).mean(dim=1).sqrt() / 4)


def test_jacobian_distance_of_known_maps(generator: Generator) -> None:
    image = images(generator, 2, 3, 4, 5)
    assert jacobian_distance(lambda x: x, image, generator).max() == 0
    torch.testing.assert_close(jacobian_distance(lambda x: 0 * x + 0.5, image, generator), torch.ones(2))
    torch.testing.assert_close(jacobian_distance(lambda x: 3 * x, image, generator), torch.full((2,), 2.0))
    with pytest.raises(ValueError, match="probes"):
        jacobian_distance(lambda x: x, image, generator, 0)


def test_jacobian_distance_against_the_whole_matrix(generator: Generator) -> None:
    torch.manual_seed(0)
    network = SDCAutoencoder(width=2).eval()
    image = images(generator, 1, 3, 8, 8)
    matrix = torch.autograd.functional.jacobian(network, image).reshape(192, 192)
    exact = (matrix - torch.eye(192)).square().sum().div(192).sqrt()
    estimate = jacobian_distance(network, image, generator, probes=200)
    torch.testing.assert_close(estimate, exact.view(1), rtol=0.02, atol=0)
