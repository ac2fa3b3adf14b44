import pytest
import torch

from fae.corruption.part import Outline
from fae.corruption.shape.blob import Blob
from fae.corruption.shape.ellipse import Ellipse
from fae.corruption.shape.polygon import Polygon
from fae.corruption.shape.shape import Shape
from fae.corruption.shape.stroke import Stroke
from tests.corruption.conftest import seeded

CPU = torch.device("cpu")
OUTLINES = [Ellipse(), Polygon(), Blob(), Stroke()]


def draw(shape: Shape, batch: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    return shape(batch, height, width, seeded(seed), CPU)


@pytest.mark.parametrize("outline", OUTLINES, ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("size", [(64, 64), (33, 57), (1, 7), (300, 260)], ids=str)
def test_masks(outline: Outline, size: tuple[int, int]) -> None:
    mask = draw(Shape(outline), 16, *size)
    assert mask.shape == (16, 1, *size)
    assert 0 <= mask.min() <= mask.max() <= 1
    if min(size) > 30:
        assert (mask == 0).flatten(1).any(1).all()
        assert (mask == 1).any()
        assert ((mask > 0) & (mask < 1)).any()  # soft edges


@pytest.mark.parametrize("outline", OUTLINES, ids=lambda o: type(o).__name__)
def test_even_the_smallest_shape_is_seen(outline: Outline) -> None:
    """A shape between four pixels' centres would be no damage; places near the border may show nothing."""
    shape = Shape(outline, size=(0.005, 0.005), softness=(1, 1), count=1)
    assert (draw(shape, 200, 100, 100).flatten(1).amax(1) > 0).float().mean() > 0.9


@pytest.mark.parametrize(
    ("outline", "area"),
    [(Ellipse(0), torch.pi), (Blob(raggedness=0), torch.pi), (Polygon((200, 200)), None), (Ellipse(0.5), None)],
    ids=["ellipse", "smooth blob", "polygon", "irregular"],
)
def test_shapes_have_the_size_asked_for(outline: Outline, area: float | None) -> None:
    shape = Shape(outline, size=(0.5, 0.5), aspect=(1, 3), softness=(0.01, 0.01), count=1)
    largest = float(draw(shape, 200, 100, 100).flatten(1).sum(1).max())  # the ones that no border cuts
    if area is None:
        assert 0.3 * torch.pi * 25**2 < largest < 2.5 * torch.pi * 25**2
    else:
        assert largest == pytest.approx(area * 25**2, rel=0.03)


def test_large_crops_show_the_same_shapes_in_larger() -> None:
    small, large = (draw(Shape(Ellipse(), raster_px=64), 4, s, s) for s in (64, 256))
    shrunk = torch.nn.functional.avg_pool2d(large, 4)
    assert float((shrunk - small).abs().mean()) < 0.01  # bilinear enlargement blurs the edges by less than a pixel


def test_count() -> None:
    shape = Shape(Ellipse(0), size=(0.05, 0.05), aspect=(1, 1), softness=(0.01, 0.01), count=4)
    area = draw(shape, 400, 100, 100).flatten(1).sum(1) / (torch.pi * 2.5**2)
    counts = {round(a) for a in area.tolist()}
    assert {1, 2, 3, 4} <= counts
    assert max(counts) == 4


def test_strokes_are_thin_and_long() -> None:
    shape = Shape(Stroke(bend=0), size=(0.1, 0.1), aspect=(25, 25), softness=(0.01, 0.01), count=1)
    mask = draw(shape, 100, 200, 200)[:, 0] > 0.5
    drawn = [m.nonzero().float() for m in mask if m.any()]
    lengths = [float(torch.cdist(points, points).max()) for points in drawn]
    assert max(lengths) == pytest.approx(0.1 * 200 * 5, rel=0.1)
    assert max(float(m.sum()) for m in mask) < 100 * 4.5


def test_bent_strokes_have_the_same_breadth_everywhere() -> None:
    u, v = torch.meshgrid(torch.linspace(-1.2, 1.2, 601), torch.linspace(-25, 25, 1001), indexing="ij")
    aspect = torch.full((1, 1, 1, 1), 10.0)
    stroke = Stroke(bend=0.8)
    distance = stroke(u[None, None], v[None, None], aspect, seeded(3))[0, 0]
    inside = (distance < 1) & (u.abs() < 0.5)
    # Across, in units of the breadth; the slope of the parabola makes a vertical cut longer.
    breadth = inside.sum(1)[(u[:, 0].abs() < 0.4)] * (50 / 1000)
    assert breadth.min() > 1.7
    assert breadth.max() < 2 * (1 + 4 * 0.8**2 * 0.16) ** 0.5 * 1.05


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Shape(Ellipse(), size=(0.5, 0.1)), r"size \(=\[0.5, 0.1\]\) must be"),
        (lambda: Shape(Ellipse(), size=(0.0, 0.1)), "size"),
        (lambda: Shape(Ellipse(), size=(0.5, 1.5)), r"size .*0.5, 1.5.* must be .smallest, largest. within .0.001, 1."),
        (lambda: Shape(Ellipse(), aspect=(0.5, 2)), "aspect"),
        (lambda: Shape(Ellipse(), softness=(0.5, 2)), "softness"),
        (lambda: Shape(Ellipse(), count=0), r"count \(=0\) must be at least 1"),
        (lambda: Shape(Ellipse(), raster_px=2), r"raster_px \(=2\)"),
        (lambda: Ellipse(0.7), r"irregularity \(=0.7\)"),
        (lambda: Polygon((2, 5)), r"corners \(=\[2, 5\]\)"),
        (lambda: Blob(raggedness=-1), r"raggedness \(=-1\)"),
        (lambda: Blob(detail=(0, 1)), "detail"),
        (lambda: Stroke(-0.1), r"bend \(=-0.1\)"),
    ],
)
def test_wrong_arguments(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
