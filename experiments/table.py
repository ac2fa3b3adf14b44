"""Collects the finished runs below some folders into one CSV file with a row for each run.

python -m experiments.table multirun/quick experiments/quick/results.csv
"""

import argparse
import csv
import json
from pathlib import Path

from fae.cli.command import plainly

_THRESHOLD = (
    *("threshold_rate", "threshold_normals", "threshold_rate_low", "threshold_rate_high"),
    *("false_alarms", "detections"),
)
COLUMNS = [
    *("dataset", "space", "objective", "corruption", "noise_sigma", "seed"),
    *("image_auroc", "trivial_image_auroc", "pixel_auroc", "trivial_pixel_auroc", "aupro_0.3", "aupro_0.05"),
    *(f"image_auroc_by_{name}" for name in ("sum", "max", "top", "contrast", "excess")),
    *("image_score", "residual", "lam", "k", "n", "t", "image_size", "steps", "checkpoint_step", "seconds"),
    *("train_images", "val_images", "test_images", "precision", "device", "git_commit"),
    *("protocol", "ensemble", "ensemble_scale", "calibration"),
    *(f"{kind}_{what}" for kind in ("image", "pixel") for what in _THRESHOLD),
]


def row(path: Path) -> dict[str, object]:
    """The metrics in a JSON file, with floats rounded to four digits."""
    metrics = json.loads(path.read_text())
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in metrics.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--evaluations", action="store_true", help="collect what fae.evaluate wrote instead of the runs' own metrics"
    )
    asked = parser.parse_args()
    pattern = "*/evaluation/*.json" if asked.evaluations else "*/metrics.json"
    rows = [row(path) for folder in asked.folders for path in sorted(folder.glob(pattern))]
    if not rows:
        raise SystemExit(f"no {pattern} in {', '.join(map(str, asked.folders))}; name folders of finished runs")
    with asked.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} rows in {asked.out}")


if __name__ == "__main__":
    with plainly():
        main()
