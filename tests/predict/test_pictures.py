from pathlib import Path

import numpy as np
from PIL import Image

from fae.detector import Detection
from fae.predict.pictures import Pictures

SIZE = 96


def test_an_overlay_shows_the_score_in_per_cent(tmp_path: Path) -> None:
    """White text with a black rim stands in the upper left corner, and nowhere else; without a figure there is none."""
    image = np.full((SIZE, SIZE, 3), 128, dtype=np.uint8)
    found = Detection(np.zeros((SIZE, SIZE), dtype=np.float32), 0.0, None, None)
    pictures = Pictures(tmp_path / "o", tmp_path, ("overlay",), "all", 1.0)
    for name, percent in (("seven.png", 7.4), ("hundred.png", 100.0), ("none.png", None)):
        pictures.write(tmp_path / name, image, found, percent)
    shown = {path.name: np.asarray(Image.open(path)) for path in (tmp_path / "o" / "overlays").iterdir()}
    seven, hundred, none = (shown[f"{name}.png.png"] for name in ("seven", "hundred", "none"))
    assert (none == image).all()
    for one in (seven, hundred):
        rows, columns = np.nonzero((one != image).any(axis=-1))
        assert rows.max() < SIZE // 4, "and the text is no larger than a sixteenth needs"
        assert columns.max() < SIZE // 2
        assert one.min() < 40
        assert one.max() > 215
    assert (seven != hundred).any()
