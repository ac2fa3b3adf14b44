import csv
import io
from pathlib import Path

import numpy as np
import pytest

from fae.picture.region import Box, Regions
from fae.serve.finding import Finding
from fae.serve.page import slider
from fae.serve.table import COLUMNS, as_csv, cards, false_alarms, summary
from tests.serve.stub import NORMALS, THRESHOLD, model

GOOD = Finding("good.png", 0.4, Regions(0, 0, None), Path("upload/a/0"))
BAD = Finding('a/<b>bad</b> & "more".png', 0.9, Regions(70, 2, Box(1, 2, 3, 4)), Path("upload/a/1"))
TORN = Finding("torn.png", error="torn.png is <no> image")


def rows(threshold: float | None) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv([GOOD, BAD, TORN], model(), threshold))))


def test_the_table_holds_the_decisions_of_the_chosen_threshold() -> None:
    good, bad, torn = rows(THRESHOLD)
    assert tuple(good) == COLUMNS
    assert bad["path"] == BAD.name
    assert [bad[key] for key in ("area", "regions", "left", "top", "width", "height")] == ["70", "2", *"1234"]
    assert [one["anomalous"] for one in (good, bad, torn)] == ["False", "True", ""]
    assert (torn["score"], torn["error"], good["left"]) == ("", TORN.error, "")
    assert [one["anomalous"] for one in rows(0.95)] == ["False", "False", ""]
    assert [one["anomalous"] for one in rows(None)] == ["", "", ""]


def test_percent_is_50_at_whatever_threshold_is_chosen() -> None:
    for threshold in (0.2, THRESHOLD, 0.9):
        assert model().percent(threshold, threshold) == pytest.approx(50)
        assert model().percent(threshold + 0.1 * np.log(19), threshold) == pytest.approx(95)
    assert model().percent(0.5, None) is None
    assert model(threshold=None).percent(0.5, 0.5) is None


def test_false_alarms_are_counted_on_the_held_out_normal_images() -> None:
    said = "good pictures that training held out"
    assert false_alarms(model(), THRESHOLD) == f"At the threshold 0.65, 2 of 20 {said} (10.0%) would be false alarms."
    assert (
        false_alarms(model(), float(NORMALS[-1]))
        == f"At the threshold 0.68, 0 of 20 {said} (0.0%) would be false alarms."
    )
    assert "no scores of good pictures" in false_alarms(model(normals=np.empty(0)), 0.5)
    none = false_alarms(model(threshold=None), 0.67)
    assert none.startswith("The model has no threshold of its own: image_rate (=0.05) needs 19 images.")
    assert "At 0.67, 1 of 20" in none
    assert "There are no decisions" in false_alarms(model(None, np.empty(0)), None)


def test_cards_are_ranked_and_escape_what_strangers_wrote() -> None:
    shown = cards([TORN, GOOD, BAD], model(), THRESHOLD)
    places = [shown.index(name) for name in ("bad", "good.png", "torn.png")]
    assert places == sorted(places)
    assert "<b>bad" not in shown
    assert "a/&lt;b&gt;bad&lt;/b&gt; &amp; &quot;more&quot;.png" in shown
    assert "&lt;no&gt;" in shown
    assert "3×4 px at (1, 2)" in shown
    assert 'src="gradio_api/file=upload/a/1-overlay.jpg"' in shown
    assert cards([], model(), THRESHOLD) == ""
    said = summary([TORN, GOOD, BAD], model(), THRESHOLD)
    for part in ("3 pictures", "1 anomalous", "1 normal", "1 not scored", "2 of 20"):
        assert part in said
    assert "1 picture:" in summary([GOOD], model(), None)
    assert "1 without a decision" in summary([GOOD], model(None, np.empty(0)), None)


@pytest.mark.parametrize(
    ("threshold", "normals"),
    [
        (THRESHOLD, NORMALS),
        (None, NORMALS),
        (1e-7, np.array([3e-8, 9e-8])),
        (31234.567, np.array([12.5, 20000.0])),
        (THRESHOLD, np.empty(0)),
        (0.0, np.empty(0)),
        (None, np.full(3, 2.5)),
    ],
)
def test_the_slider_covers_the_normal_images_and_more(threshold: float | None, normals: np.ndarray) -> None:
    scale = slider(model(threshold, normals))
    assert scale is not None
    known = [*normals, *([] if threshold is None else [threshold])]
    assert scale.low <= min(known)
    assert scale.low > -scale.step
    assert scale.high > max(known) + 0.5 * (max(known) - min(known))
    assert scale.start == pytest.approx(max(known) if threshold is None else threshold, abs=scale.step)
    steps = (scale.start - scale.low) / scale.step
    assert steps == pytest.approx(round(steps), abs=1e-6), "a browser would move it to the next step"
    assert 100 < (scale.high - scale.low) / scale.step < 3000


def test_without_any_scale_there_is_no_slider() -> None:
    assert slider(model(None, np.empty(0))) is None
