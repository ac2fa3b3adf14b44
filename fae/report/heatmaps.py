"""The pictures worth looking at first: the defects that stand out most, and the images that are most mistaken."""

import csv
import math
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

_WIDTH = 1040  # px, the width at which a page shows four panels side by side
_QUALITY = 82


@dataclass(frozen=True)
class Heatmap:
    """A test image of which a run has written a picture."""

    path: Path
    dataset: str
    run: str
    image: str
    label: int
    score: float
    right: float
    """The share of the run's test images of the other class that score on the correct side of this image."""
    percent: float | None
    """The score in per cent, see `fae.score.percent`; None if the run has no threshold, or is of an older version."""
    distance: float
    """The distance of the score above the normal images' mean score, in standard deviations of their scores."""

    @property
    def caption(self) -> str:
        """The text below the picture: what it shows, and how the image compares with the other class."""
        side = "above" if self.label else "below"
        other = "normal" if self.label else "defective"
        percent = "" if self.percent is None else f" (anomaly {self.percent:.0f} %)"
        found = f"score {self.score:.4g}{percent}, {side} {self.right:.0%} of the {other} images"
        return f"{self.dataset} · {self.image} · {found} · {self.run}"


def heatmaps_of(run_dir: Path, dataset: str) -> list[Heatmap]:
    """Find the test image of each of a run's pictures; pictures that fit no image or several images are left out."""
    pictures = sorted((run_dir / "heatmaps").glob("*.png"))
    table = run_dir / "scores.csv"
    if not pictures or not table.is_file():
        return []
    try:
        with table.open(newline="", encoding="utf-8") as file:
            rows = [
                (
                    r["defect_type"],
                    Path(r["path"]),
                    int(r["label"]),
                    float(r["score"]),
                    float(r.get("anomaly_percent") or "nan"),
                )
                for r in csv.DictReader(file)
            ]
    except (KeyError, TypeError, ValueError, OSError):
        return []
    names = [f"{kind}/{path.stem}" for kind, path, *_ in rows]
    score = np.array([row[3] for row in rows])
    label = np.array([row[2] for row in rows])
    normal, anomalous = score[label == 0], score[label == 1]
    if not len(normal) or not len(anomalous):
        return []
    found = []
    for path in pictures:
        shown = [i for i, name in enumerate(names) if path.stem.partition("-")[2] == name.replace("/", "-")]
        if len(shown) != 1:
            continue
        i = shown[0]
        right = (normal < score[i]).mean() if label[i] else (anomalous > score[i]).mean()
        distance = (score[i] - normal.mean()) / (normal.std() or 1.0)
        percent = None if math.isnan(rows[i][4]) else rows[i][4]
        of_image = (names[i], int(label[i]), float(score[i]), float(right), percent, float(distance))
        found.append(Heatmap(path, dataset, run_dir.name, *of_image))
    return found


def best(heatmaps: Iterable[Heatmap], count: int) -> list[Heatmap]:
    """Return the defects that score above all normal images, most distant first; data sets take turns."""
    good = [h for h in heatmaps if h.label and h.right == 1]
    turns: dict[str, int] = {}
    ranked = []
    for heatmap in _once(sorted(good, key=lambda h: -h.distance)):
        turns[heatmap.dataset] = turns.get(heatmap.dataset, 0) + 1
        ranked.append((turns[heatmap.dataset], heatmap))
    return [heatmap for _, heatmap in sorted(ranked, key=lambda pair: pair[0])][:count]


def worst(heatmaps: Iterable[Heatmap], count: int) -> list[Heatmap]:
    """Return the images on the wrong side of at least one image of the other class, most mistaken first."""
    return _once(sorted((h for h in heatmaps if h.right < 1), key=lambda h: h.right))[:count]


def _once(heatmaps: Sequence[Heatmap]) -> list[Heatmap]:
    """Keep each image of a data set once, from the run that comes first."""
    first: dict[tuple[str, str], Heatmap] = {}
    for heatmap in heatmaps:
        first.setdefault((heatmap.dataset, heatmap.image), heatmap)
    return list(first.values())


def data_uri(path: Path) -> str | None:
    """Return a picture as a data URI with a JPEG at most 1040 px wide; None if the file holds no picture."""
    try:
        with Image.open(path) as picture:
            shown = picture.convert("RGB")
    except (UnidentifiedImageError, OSError):
        return None
    if shown.width > _WIDTH:
        shown = shown.resize((_WIDTH, round(shown.height * _WIDTH / shown.width)))
    buffer = BytesIO()
    shown.save(buffer, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{b64encode(buffer.getvalue()).decode()}"
