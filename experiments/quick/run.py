"""Train the quick preset on every set and collect `results.csv`; finished runs are skipped, interrupted ones go on.

python experiments/quick/run.py synthetic piped screw tile --data DIR --runs runs/quick
"""

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path

COLUMNS = [
    *("dataset", "objective", "seed", "image_auroc", "trivial_image_auroc", "pixel_auroc", "trivial_pixel_auroc"),
    *("image_auroc_by_sum", "image_auroc_by_max", "image_auroc_by_top", "image_auroc_by_excess"),
    *("image_score", "lam", "k", "n", "t", "image_size", "steps", "checkpoint_step", "seconds"),
    *("test_images", "precision", "device", "git_commit"),
]


def commands(group: str, data: Path) -> list[list[str]]:
    """The overrides of each run of a group."""
    if group == "synthetic":
        sets = [["data=synthetic", f"category={c}"] for c in ("carpet", "grid", "leather", "tile", "wood")]
    elif group == "piped":
        sets = [
            ["data=folder", f"data.root={folder}", "category=generic"]
            for folder in sorted((data / "piped").glob("PA_*"))
        ]
    elif group == "screw":
        sets = [["data=mvtec", f"data.root={data / 'mvtec_ad'}", "category=screw", "data.image_size=256"]]
    else:
        sets = [["data=folder", f"data.root={data / 'magnetic_tile' / 'tile'}", "category=generic"]]
    return [[*overrides, f"objective={objective}"] for overrides in sets for objective in ("filter", "amplify")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="+", choices=["synthetic", "piped", "screw", "tile"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--runs", type=Path, default=Path("runs/quick"))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    failed = []
    for group in arguments.groups:
        for overrides in commands(group, arguments.data):
            words = [part.split("=")[-1].rstrip("/").split("/")[-1] for part in overrides if "image_size" not in part]
            run_dir = arguments.runs / "-".join([*dict.fromkeys(words), f"seed{arguments.seed}"])
            command = ["experiment=quick", *overrides, f"seed={arguments.seed}", f"run_dir={run_dir}"]
            quiet = ["trainer.enable_progress_bar=false", "~callback.progress"]
            print("python -m fae.train", *command, flush=True)
            if subprocess.run([sys.executable, "-m", "fae.train", *command, *quiet], check=False).returncode:
                failed.append(run_dir.name)
    rows = [json.loads(path.read_text()) for path in sorted(arguments.runs.glob("*/metrics.json"))]
    with (Path(__file__).parent / "results.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
