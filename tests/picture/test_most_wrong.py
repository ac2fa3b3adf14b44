import math
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from fae.picture.most_wrong import most_wrong
from fae.picture.panel import Shown, colour_limit
from fae.picture.sheet import write_sheet

GREEN = (0, 255, 0)


def given(good: int = 5, bad: int = 6, height: int = 32, width: int = 32) -> Shown:
    """Grey images, each of its own shade; what is anomalous about them grows with their number."""
    count = good + bad
    types = np.array(["good"] * good + ["hole"] * bad, dtype=np.str_)
    shade = 60 + 10 * torch.arange(count, dtype=torch.uint8)
    image = shade.view(-1, 1, 1, 1).expand(-1, 3, height, width).clone()
    mask = torch.zeros(count, 1, height, width, dtype=torch.bool)
    mask[good:, :, 8:16, 10:20] = True
    maps = mask.float() * torch.arange(count).view(-1, 1, 1, 1) + 0.01
    score = np.random.default_rng(0).permutation(count).astype(np.float32)
    return Shown(image, maps, mask, score, types, [f"{t}/{i:03d}" for i, t in enumerate(types)], None)


def cells(figure: Figure) -> list[Axes]:
    return [axis for axis in figure.axes if axis.images]


def caption(axis: Axes) -> Text:
    (found,) = [part for part in axis.get_children() if isinstance(part, Text) and part.get_text()]
    return found


def captions(figure: Figure) -> list[str]:
    return [caption(axis).get_text() for axis in cells(figure)]


def headings(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def test_the_highest_normal_and_the_lowest_defective_images_are_shown_in_order() -> None:
    all_of = given(40, 30)
    figure = most_wrong(all_of, 4)
    normal, defective = np.arange(40), np.arange(40, 70)
    score = all_of.image_score
    wanted = [*normal[np.argsort(-score[normal])][:4], *defective[np.argsort(score[defective])][:4]]
    assert captions(figure) == [f"{all_of.names[i]}\nscore {score[i]:.4g}" for i in wanted]
    assert headings(figure) == ["normal images, highest scores first", "defective images, lowest scores first"]
    tops = [axis.get_position().y0 for axis in cells(figure)]
    assert min(tops[:4]) > max(tops[4:])


def test_equal_scores_keep_the_order_of_the_images() -> None:
    equal = given()._replace(image_score=np.full(11, 0.5, np.float32))
    figure = most_wrong(equal._replace(threshold=0.5), 3)
    right = [f"good/{i:03d}\nscore 0.5, right" for i in range(3)]
    assert captions(figure) == [*right, *(f"hole/{i:03d}\nscore 0.5, miss" for i in range(5, 8))]


def test_the_threshold_tells_false_alarms_and_misses() -> None:
    """At the threshold itself an image counts as normal."""
    score = np.array([1, 2, 3, 4, 5, 0, 2, 3, 4, 6, 7], dtype=np.float32)
    figure = most_wrong(given()._replace(image_score=score, threshold=3.0), 4)
    verdicts = [text.split(", ")[1] for text in captions(figure)]
    assert verdicts == ["false alarm", "false alarm", "right", "right", "miss", "miss", "miss", "right"]
    marked = [caption(axis).get_color() != "black" for axis in cells(figure)]
    assert marked == [verdict != "right" for verdict in verdicts]
    assert headings(figure) == [
        "normal images, highest scores first – false alarms at the threshold 3: 2 of 5",
        "defective images, lowest scores first – misses at the threshold 3: 3 of 6",
    ]


@pytest.mark.parametrize(
    ("good", "bad", "wanted"),
    [
        (
            2,
            0,
            ["normal images, highest scores first – false alarms at the threshold 9: 0 of 2", "no defective images"],
        ),
        (0, 3, ["no normal images", "defective images, lowest scores first – misses at the threshold 9: 3 of 3"]),
        (0, 0, ["no normal images", "no defective images"]),
    ],
)
def test_fewer_images_than_asked_for(good: int, bad: int, wanted: list[str], tmp_path: Path) -> None:
    figure = most_wrong(given(good, bad)._replace(threshold=9.0), 6)
    assert len(cells(figure)) == good + bad
    assert headings(figure) == wanted
    write_sheet(figure, tmp_path / "page.png")


def test_no_image_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match=r"count \(=0\) must be at least 1"):
        most_wrong(given(), 0)


def test_a_picture_is_the_image_with_the_outline_beside_the_map_in_the_colours_of_all() -> None:
    one = given(bad=1)
    picture = np.asarray(cells(most_wrong(one, 1))[1].images[0].get_array())
    side = picture.shape[0]
    left, right = picture[:, :side], picture[:, -side:]
    shade = int(one.image[5, 0, 0, 0])
    outlined = (left == GREEN).all(-1)
    assert ((left == shade).all(-1) | outlined).all()
    scale = side / 32
    rows, columns = np.nonzero(outlined)
    for found, edge in ((rows, (8, 16)), (columns, (10, 20))):
        assert (found.min() / scale, (found.max() + 1) / scale) == pytest.approx(edge, abs=0.2)
    assert not (right == GREEN).all(-1).any()
    # Only the last map has anything in it: where, the picture is as bright as colours get; elsewhere it is the image.
    middle, corner = right[int(12 * scale), int(15 * scale)].astype(int), right[2, 2].astype(int)
    assert np.ptp(middle) > 60
    assert np.abs(corner - shade).max() < 15


def test_all_maps_share_one_scale() -> None:
    """A normal image's faint map stays faint beside a defect's, and the bar says what the brightest colour means."""
    every = given(good=1, bad=1)
    maps = torch.full((2, 1, 32, 32), 0.1)
    maps[1, :, 8:24, 8:24] = 10
    figure = most_wrong(every._replace(anomaly_map=maps), 1)
    faint, strong = (np.asarray(axis.images[0].get_array()).astype(int) for axis in cells(figure))
    middle = faint.shape[0] // 2
    assert np.ptp(faint[middle, -middle]) < 15
    assert np.ptp(strong[middle, -middle]) > 60
    (bar,) = [axis for axis in figure.axes if not axis.images]
    assert bar.get_xlim() == (0, pytest.approx(colour_limit(maps)))
    assert bar.get_xlabel() == "anomaly map, over the image"


@pytest.mark.parametrize(
    ("height", "width", "count"), [(64, 64, 7), (512, 512, 1), (48, 192, 3), (240, 24, 7), (240, 24, 1)]
)
def test_pictures_keep_their_shape_and_nothing_overlaps(height: int, width: int, count: int) -> None:
    names = [f"a_very_long_name_of_a_defect_type/and_of_a_file_that_ends_in_{i:03d}" for i in range(14)]
    some = given(7, 7, height, width)
    figure = most_wrong(some._replace(names=names, image_score=some.image_score * 1.2345e-5, threshold=3e-5), count)
    figure.draw_without_rendering()
    page = figure.bbox
    boxes = []
    for axis in cells(figure):
        box = axis.get_window_extent()
        assert box.width / box.height == pytest.approx(2 * width / height, rel=1e-6)
        picture = np.asarray(axis.images[0].get_array())
        assert picture.shape[1] / picture.shape[0] == pytest.approx(2 * width / height, rel=0.05)
        text = caption(axis)
        assert text.get_text().splitlines()[0][-3:].isdigit()
        boxes += [box, text.get_window_extent()]
    boxes += [text.get_window_extent() for text in figure.texts]
    (bar,) = [axis for axis in figure.axes if not axis.images]
    boxes.append(bar.get_tightbbox())
    for i, box in enumerate(boxes):
        assert page.x0 <= box.x0 <= box.x1 <= page.x1
        assert page.y0 <= box.y0 <= box.y1 <= page.y1
        for other in boxes[:i]:
            apart_x = min(box.x1, other.x1) - max(box.x0, other.x0)
            apart_y = min(box.y1, other.y1) - max(box.y0, other.y0)
            assert min(apart_x, apart_y) < 1  # px; text boxes touch the picture below them


def test_a_mask_one_pixel_wide_stays_visible_on_a_large_image() -> None:
    one = given(good=1, bad=1, height=512, width=512)
    mask = torch.zeros(2, 1, 512, 512, dtype=torch.bool)
    mask[1, :, 100, 50:400] = True  # the nearest rows of the smaller picture would be 99 and 101
    picture = np.asarray(cells(most_wrong(one._replace(mask=mask), 1))[1].images[0].get_array())
    green = (picture == GREEN).all(-1)
    assert green.any(0).sum() == pytest.approx(350 / 512 * picture.shape[0], abs=2)


def test_the_page_can_be_written(tmp_path: Path) -> None:
    names = [f"$ {i} $_{{" for i in range(11)]
    figure = most_wrong(given(height=40, width=64)._replace(names=names, threshold=math.inf), 6)
    write_sheet(figure, tmp_path / "page.png")
    assert np.asarray(Image.open(tmp_path / "page.png").convert("L")).std() > 20


def test_captions_tell_the_score_in_per_cent_if_it_is_known() -> None:
    shown = given()
    assert shown.score(0) == f"score {shown.image_score[0]:.4g}"
    known = shown._replace(threshold=4.0, percent_width=1.0)
    scores = known.image_score
    for i in range(len(scores)):
        assert known.score(i) == f"score {scores[i]:.4g} ({100 / (1 + np.exp(4.0 - scores[i])):.0f} %)"
    assert any("score 4 (50 %), right" in one for one in captions(most_wrong(known, 9)))


def test_what_lies_outside_the_region_of_interest_is_dimmed_and_sets_no_colours() -> None:
    shown = given()
    roi = torch.zeros_like(shown.mask)
    roi[..., 4:20, 4:28] = True
    outside = shown.anomaly_map.where(roi, 1e6)
    assert shown._replace(anomaly_map=outside, roi=roi).limit == shown.limit == pytest.approx(10, abs=0.1)
    plain, regional = (cells(most_wrong(one, 3))[0].images[0].get_array() for one in (shown, shown._replace(roi=roi)))
    assert regional[2, 2, 0] == plain[2, 2, 0] // 3
    size = plain.shape[0]
    assert (regional[size // 2, size // 2] == plain[size // 2, size // 2]).all()
    assert (regional == 255).all(axis=2).sum() > (plain == 255).all(axis=2).sum(), "the outline is white"
