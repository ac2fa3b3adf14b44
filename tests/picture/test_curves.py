from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from fae.metric import counts as counted
from fae.metric.auroc import auroc
from fae.metric.counts import Counts, Curve
from fae.metric.streaming import StreamingPixelMetrics
from fae.picture.curves import curves, thinned
from fae.picture.sheet import write_sheet

TYPES = np.array(["good"] * 20 + ["crack"] * 8 + ["scratch"] * 5 + ["uneven"] * 3)
PANELS = ("ROC of images", "image scores", "ROC of pixels", "per-region overlap (PRO)")


def scores(types: NDArray[np.str_] = TYPES) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    return (rng.lognormal(-4, 0.5, len(types)) * np.where(types == "good", 1, 2)).astype(np.float32)


def pixel_counts(regions: bool = True) -> dict[str, Counts]:
    """Of all types but "uneven", whose masks are empty."""
    rng = np.random.default_rng(1)
    mask = torch.zeros(len(TYPES), 1, 24, 24, dtype=torch.bool)
    mask[TYPES == "crack", :, 3:9, 4:6] = mask[TYPES == "scratch", :, 10:12, 2:20] = True
    mask[TYPES == "scratch", :, 20:22, 2:4] = True
    maps = torch.from_numpy(rng.lognormal(-5, 1, mask.shape).astype(np.float32)) * (1 + 3 * mask)
    found = {}
    for name in ("all", "crack", "scratch", "uneven"):
        some = torch.from_numpy((TYPES == "good") | (name == TYPES) | (name == "all"))
        metric = StreamingPixelMetrics(regions=regions)
        metric.update(maps[some], mask[some])
        found[name] = metric.counts()
    return found


def panel(figure: Figure, title: str) -> Axes:
    (axis,) = [a for a in figure.axes if a.get_title() == title]
    return axis


def legend(axis: Axes) -> list[str]:
    shown = axis.get_legend()
    return [text.get_text() for text in shown.get_texts()] if shown else []


def words(axis: Axes) -> list[str]:
    return [text.get_text() for text in axis.texts]


def lines(axis: Axes) -> dict[str, NDArray[np.float64]]:
    """Points `(2, N)` of each curve."""
    return {str(line.get_label()).split("  ")[0]: np.array(line.get_data()) for line in axis.lines}


def heights(axis: Axes) -> NDArray[np.float64]:
    """Images of each type in each bin, `(T, 41)`."""
    return np.array([patch.get_data().values - patch.get_data().baseline for patch in axis.patches])


def area(curve: Curve, limit: float = 1.0) -> float:
    """Straight between points, up to the limit."""
    rate, found = curve
    inside = rate <= limit
    end = np.interp(limit, rate, found) if not inside.all() else found[-1]
    return float(np.trapezoid([*found[inside], end], [*rate[inside], limit]) / limit)


def test_every_panel_is_there_and_can_be_written(tmp_path: Path) -> None:
    figure = curves(scores(), TYPES, pixel_counts(), 0.03, "a run with $ and $")
    assert [axis.get_title() for axis in figure.axes] == list(PANELS)
    assert figure.get_suptitle() == "a run with $ and $"
    write_sheet(figure, tmp_path / "curves.png")
    assert np.asarray(Image.open(tmp_path / "curves.png").convert("L")).std() > 20


def test_the_legends_give_the_metrics() -> None:
    score, pixels = scores(), pixel_counts()
    figure = curves(score, TYPES, pixels, None, "")
    normal = score[TYPES == "good"]
    wanted = {"all": TYPES != "good"} | {name: name == TYPES for name in ("crack", "scratch", "uneven")}
    assert legend(panel(figure, "ROC of images")) == [
        f"{n}  {auroc(normal, score[own]):.3f}" for n, own in wanted.items()
    ]
    for title, value in (
        ("ROC of pixels", lambda c: counted.auroc(c).value),
        ("per-region overlap (PRO)", lambda c: counted.aupro(c, 0.3).value),
    ):
        drawn = [f"{name}  {value(pixels[name]):.3f}" for name in ("all", "crack", "scratch")]
        assert legend(panel(figure, title)) == [*drawn, "uneven  –"], title
    assert panel(figure, "ROC of images").get_legend().get_title().get_text() == "AUROC"
    assert panel(figure, "per-region overlap (PRO)").get_legend().get_title().get_text() == "AUPRO(0.3)"


def test_the_curves_enclose_what_their_legends_say_and_reach_both_ends() -> None:
    score, pixels = scores(), pixel_counts()
    figure = curves(score, TYPES, pixels, None, "")
    for name, points in lines(panel(figure, "ROC of images")).items():
        if name in ("all", "crack", "scratch", "uneven"):
            own = TYPES != "good" if name == "all" else name == TYPES
            assert area(Curve(*points)) == pytest.approx(auroc(score[TYPES == "good"], score[own]), abs=1e-9)
            np.testing.assert_allclose(points[:, [0, -1]], [[0, 1], [0, 1]])
    found, regions = (lines(panel(figure, title)) for title in PANELS[2:])
    for name in ("all", "crack", "scratch"):
        assert area(Curve(*found[name])) == pytest.approx(counted.auroc(pixels[name]).value, abs=1e-3)
        np.testing.assert_allclose(found[name][:, [0, -1]], [[0, 1], [0, 1]])
        assert area(Curve(*regions[name]), 0.3) == pytest.approx(counted.aupro(pixels[name], 0.3).value, abs=1e-3)
        assert regions[name][0, 0] == 0
        assert regions[name][0, -2] <= 0.3 < regions[name][0, -1]
    assert panel(figure, "per-region overlap (PRO)").get_xlim()[1] == 0.3


def test_the_curve_of_images_is_exact() -> None:
    """Ties are straight lines, and the scores are not binned: the two highest ones share a bin of twenty bits."""
    score = np.array([1.0, 0.5, 0.5, 1.0001], dtype=np.float32)
    figure = curves(score, np.array(["good", "good", "hole", "hole"]), {}, None, "")
    points = lines(panel(figure, "ROC of images"))["hole"]
    np.testing.assert_array_equal(points.T, [[0, 0], [0, 0.5], [0.5, 0.5], [1, 1]])


Shape = Callable[[np.random.Generator, int], Curve]


def leaps(rng: np.random.Generator, count: int) -> Curve:
    """A few steps that hold nearly everything, among very many small ones."""
    steps = rng.random((2, count)) ** 3 / count
    steps[:, rng.integers(0, count, 8)] += rng.random((2, 8))
    return Curve(*np.concatenate([np.zeros((2, 1)), steps.cumsum(1) / steps.sum(1, keepdims=True)], axis=1))


def steep(rng: np.random.Generator, count: int) -> Curve:
    rate = np.concatenate([[0.0], np.sort(rng.random(count - 1)) ** 4, [1.0]])
    return Curve(rate, rate ** float(rng.uniform(0.02, 1)))


def stairs(rng: np.random.Generator, count: int) -> Curve:
    """As many images: every step goes either right or up."""
    right = rng.permutation(count) % 2 == 0
    rate, found = (np.concatenate([[0.0], s.cumsum() / s.sum()]) for s in (right, ~right))
    return Curve(rate, found)


@pytest.mark.parametrize("shape", [leaps, steep, stairs], ids=lambda shape: shape.__name__)
@given(seed=st.integers(0, 10_000), count=st.sampled_from([2, 700, 20_000]), limit=st.sampled_from([1.0, 0.3]))
@settings(max_examples=8, deadline=None)
def test_thinning_keeps_area_ends_and_shape(shape: Shape, seed: int, count: int, limit: float) -> None:
    curve = shape(np.random.default_rng(seed), count)
    thin = thinned(curve, limit)
    assert len(thin.found) <= min(len(curve.found), 600)
    assert area(thin, limit) == pytest.approx(area(curve, limit), abs=1e-3)
    assert (thin.false_positive_rate[0], thin.found[0]) == (0, 0)
    if limit == 1:
        assert (thin.false_positive_rate[-1], thin.found[-1]) == (curve.false_positive_rate[-1], curve.found[-1])
    # No point that was left out lies further from the line than one can see: a 200th of an axis.
    seen = curve.false_positive_rate <= limit
    rate, found = curve.false_positive_rate[seen], curve.found[seen]
    way, thin_way = rate / limit + found, thin.false_positive_rate / limit + thin.found
    assert np.abs(np.interp(way, thin_way, thin.found) - found).max() < 0.005


def test_thinning_keeps_a_short_curve_as_it_is() -> None:
    curve = Curve(np.array([0, 0, 0.25, 1]), np.array([0, 0.75, 0.75, 1]))
    for whole, thin in zip(curve, thinned(curve), strict=True):
        np.testing.assert_array_equal(thin, whole)


@pytest.mark.parametrize(
    ("types", "reason"),
    [
        (["good"] * 3, "no anomalous images"),
        (["hole"] * 3, "no normal images"),
        ([], "no normal images and no anomalous images"),
    ],
)
def test_a_missing_class_is_said(types: list[str], reason: str, tmp_path: Path) -> None:
    kinds = np.array(types, dtype=np.str_)
    figure = curves(scores(kinds), kinds, {}, 0.01, "")
    assert words(panel(figure, "ROC of images")) == [reason]
    for title in PANELS[2:]:
        assert words(panel(figure, title)) == ["no ground_truth masks"]
    scored = panel(figure, "image scores")
    assert words(scored) == ([] if types else ["no images"])
    assert len(scored.patches) == (len({"good", *types}) if types else 0)
    write_sheet(figure, tmp_path / "curves.png")


def test_missing_pixels_are_said() -> None:
    none = np.zeros(4, dtype=np.int64)
    some = np.ones(4, dtype=np.int64)
    for normal, anomalous, reason in (
        (some, none, "no anomalous pixels"),
        (none, some, "no normal pixels"),
        (none, none, "no normal pixels and no anomalous pixels"),
    ):
        figure = curves(scores(), TYPES, {"all": Counts.of(normal, anomalous)}, None, "")
        for title in PANELS[2:]:
            assert words(panel(figure, title)) == [reason]
    without = curves(scores(), TYPES, pixel_counts(regions=False), None, "")
    assert words(panel(without, "ROC of pixels")) == []
    assert words(panel(without, "per-region overlap (PRO)")) == ["regions were not counted"]


def test_the_histogram_counts_every_image_once() -> None:
    score = scores()
    axis = panel(curves(score, TYPES, {}, 0.03, ""), "image scores")
    assert heights(axis).sum(1).tolist() == [20, 8, 5, 3]
    tops, _, bottoms = axis.patches[0].get_data()
    for patch in axis.patches[1:]:
        assert patch.get_data().baseline.tolist() == tops.tolist()  # stacked
        tops = patch.get_data().values
    assert not bottoms.any()
    above = [int((score[name == TYPES] > 0.03).sum()) for name in ("good", "crack", "scratch", "uneven")]
    assert legend(axis) == [
        f"good  20, {above[0]} above",
        f"crack  8, {above[1]} above",
        f"scratch  5, {above[2]} above",
        f"uneven  3, {above[3]} above",
        "threshold 0.03",
    ]


@pytest.mark.parametrize("threshold", [None, 500.0])
def test_the_threshold_is_marked_where_there_is_one(threshold: float | None) -> None:
    axis = panel(curves(scores(), TYPES, {}, threshold, ""), "image scores")
    assert [line.get_xdata()[0] for line in axis.lines] == ([] if threshold is None else [threshold])
    assert legend(axis)[-1] == ("uneven  3" if threshold is None else "threshold 500")
    if threshold is not None:
        assert axis.get_xlim()[0] <= threshold <= axis.get_xlim()[1]


@pytest.mark.parametrize(
    ("factor", "shift", "threshold", "scale"),
    [
        (1e4, 0.0, 3.0, "log"),
        (1e4, 0.0, 0.0, "linear"),
        (1e4, -1.0, None, "linear"),
        (50.0, 0.0, None, "linear"),
    ],
)
def test_the_scale_follows_the_scores(factor: float, shift: float, threshold: float | None, scale: str) -> None:
    score = (np.geomspace(1, factor, len(TYPES)) + shift).astype(np.float32)
    axis = panel(curves(score, TYPES, {}, threshold, ""), "image scores")
    assert axis.get_xscale() == scale
    assert heights(axis).sum() == len(TYPES)


@pytest.mark.parametrize("value", [0.0, -3.0, 1e20])
def test_equal_scores(value: float, tmp_path: Path) -> None:
    figure = curves(np.full(len(TYPES), value, np.float32), TYPES, {}, value, "")
    assert all(entry.endswith("  0.500") for entry in legend(panel(figure, "ROC of images")))
    axis = panel(figure, "image scores")
    (at,) = np.flatnonzero(heights(axis).sum(0))
    left, right = axis.patches[0].get_data().edges[[at, at + 1]]
    assert left < value < right
    write_sheet(figure, tmp_path / "curves.png")


def test_a_type_looks_the_same_in_every_panel_and_like_no_other() -> None:
    types = np.array(["good", *(f"type {i:02d}" for i in range(20))])
    one = np.ones(4, dtype=np.int64)
    pixels = {name: Counts.of(one, one, one.astype(float)) for name in ["all", *types[1:].tolist()]}
    figure = curves(scores(types), types, pixels, None, "")
    looks = [
        [(line.get_color(), str(line.get_linestyle()), line._dash_pattern) for line in panel(figure, title).lines[:21]]
        for title in (PANELS[0], PANELS[2], PANELS[3])
    ]
    assert looks[0] == looks[1] == looks[2]
    assert len(set(map(str, looks[0]))) == 21
    assert looks[0][0][0] == "black"
    bars = panel(figure, "image scores").patches
    assert len({(bar.get_facecolor(), bar.get_hatch()) for bar in bars}) == 21
