"""Compares the rivals' maps and scores of the test images by the same metrics.

python -m experiments.rivals.score multirun/rivals $PIPED/PA_* $MVTEC/screw    # writes experiments/rivals/results.csv

Maps are brought to the images' size before pixels are judged. Two image scores are judged: the maximum of the map, and
each method's own score. The records of --watch go into along.csv and along.png beside results.csv.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from experiments.ranking import ranked
from fae.cli.command import plainly
from fae.data.fit import fit_mask
from fae.data.index import layout
from fae.image import read_image
from fae.metric.trivial import IMAGE_STATISTICS, PIXEL_STATISTICS

HERE = Path(__file__).parent
_SHOWN = (
    *("seconds", "images_seen", "train_images", "image_auroc_own", "image_auroc_max", "pixel_auroc"),
    *("latency_ms", "parameters", "peak_rss_mib"),
)
EPOCHS = {
    "autoencoder": 200,  # Bergmann et al., VISAPP 2019, section 4.2
    "denoising": 200,
    "draem": 700,  # Zavrtanik et al., ICCV 2021
    "ganomaly": 100,  # anomalib's example configuration
}
IMAGES = {"fae": 800 * 8, "segmentation": 800 * 8}
"""The images that a whole schedule shows: EPOCHS by the authors of the method, or IMAGES by experiment=quick."""
UNDERTRAINED = 0.1
"""A rival that has seen less than this share of its own schedule is called undertrained."""
ORDER = ("fae", "segmentation", "autoencoder", "denoising", "draem", "ganomaly", "patchcore", "efficientad", "trivial")


def judged(labels: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Whether the pixels of an image count, `(N,)` bool. They do not for a defective image with an empty mask."""
    return ~labels | masks.any(axis=(1, 2))


def test_images(root: Path, side: int) -> tuple[list[str], torch.Tensor, np.ndarray, np.ndarray]:
    """Paths, images `(N, 3, side, side)` in [0, 1], labels `(N,)` and masks `(N, side, side)`."""
    samples = layout(root, root.name).test
    images, masks = [], []
    for sample in samples:
        image = cv2.resize(read_image(sample.path), (side, side), interpolation=cv2.INTER_AREA)
        images.append(torch.from_numpy(image).permute(2, 0, 1).float() / 255)
        empty = np.zeros((side, side), bool)
        masks.append(empty if sample.mask is None else fit_mask(sample.mask.outline().defect, (side, side), "stretch"))
    labels = np.array([sample.label for sample in samples], bool)
    return [str(sample.path.resolve()) for sample in samples], torch.stack(images), labels, np.stack(masks)


def trivial(images: torch.Tensor, labels: np.ndarray, masks: np.ndarray) -> dict[str, float]:
    """The best of six statistics, each in its better direction; the test labels choose, so it is an oracle."""
    count = judged(labels, masks)
    by_image = [ranked(f(images).numpy(), labels) for f in IMAGE_STATISTICS.values()]
    by_pixel = [ranked(f(images)[:, 0].numpy()[count].ravel(), masks[count].ravel()) for f in PIXEL_STATISTICS.values()]
    return {
        name: max(max(value, 1 - value) for value in values)
        for name, values in (("image_auroc_own", by_image), ("pixel_auroc", by_pixel))
    }


def row(folder: Path, paths: list[str], labels: np.ndarray, masks: np.ndarray) -> dict[str, object]:
    """The facts of a rival and its figures; an absent rival has no figures."""
    facts: dict[str, object] = json.loads((folder / "facts.json").read_text())
    if "absent" in facts:
        return facts
    with np.load(folder / "maps.npz", allow_pickle=False) as found:
        place = {str(Path(path).resolve()): i for i, path in enumerate(found["path"].tolist())}
        if missing := [path for path in paths if path not in place]:
            raise SystemExit(f"{folder} has no score of {missing[0]}; it was trained on other images, move it away")
        order = [place[path] for path in paths]
        facts["image_auroc_own"] = ranked(found["image_score"][order], labels)
        if "anomaly_map" in found:
            side = masks.shape[-1]
            maps = np.stack([cv2.resize(one.astype(np.float32), (side, side)) for one in found["anomaly_map"][order]])
            facts["image_auroc_max"] = ranked(maps.max(axis=(1, 2)), labels)
            count = judged(labels, masks)
            facts["pixel_auroc"] = ranked(maps[count].ravel(), masks[count].ravel())
    return facts


def table(folder: Path, sets: list[Path], side: int) -> pd.DataFrame:
    """A row for each run, and a row for the statistics of each set."""
    rows: list[dict[str, object]] = []
    runs = sorted(path.parent for path in folder.glob("*/facts.json"))
    if not runs:
        raise SystemExit(f"{folder} holds no rival; experiments/rivals/run.sh trains them into multirun/rivals")
    roots = {root.name: root for root in sets}
    by_set: dict[str, list[Path]] = {}
    for run in runs:
        name = str(json.loads((run / "facts.json").read_text())["dataset"]).split(":")[1]
        by_set.setdefault(name, []).append(run)
    if unknown := sorted(by_set.keys() - roots.keys()):
        raise SystemExit(f"{folder} holds runs on {', '.join(unknown)}; name the folder of each set behind it")
    for name, own in by_set.items():
        paths, images, labels, masks = test_images(roots[name], side)
        rows += [row(run, paths, labels, masks) | {"dataset": name} for run in own]
        rows.append({"rival": "trivial", "dataset": name} | trivial(images, labels, masks))
    found = pd.DataFrame(rows)
    key = found["rival"].map({name: i for i, name in enumerate(ORDER)})
    return found.assign(key=key).sort_values(["dataset", "key", "budget_s", "seed"]).drop(columns="key")


def share(found: pd.DataFrame) -> pd.Series:
    """The share of its own schedule that a run has seen; NaN without a schedule."""
    schedule = found["rival"].map(IMAGES).astype(float)
    schedule = schedule.fillna(found["rival"].map(EPOCHS).astype(float) * found["train_images"])
    return found["images_seen"] / schedule


def _cell(values: pd.Series, digits: int = 3) -> str:
    """Mean ± standard deviation over the seeds."""
    values = values.dropna().astype(float)
    if not len(values):
        return "–"
    spread = f" ± {values.std():.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{spread}"


def _trained(own: pd.DataFrame) -> str:
    """Seconds and share of the rival's own schedule, marked as undertrained if it is small."""
    of_schedule = share(own).mean()
    if pd.isna(of_schedule):
        return "–"
    word = ", **undertrained**" if of_schedule < UNDERTRAINED else ""
    return f"{own['seconds'].mean():.0f} s, {of_schedule:.2g}{word}"


def markdown(found: pd.DataFrame) -> str:
    """A line for each set and rival: the shortest budget, then the rival's longest run."""
    found = found.reindex(columns=[*found.columns, *(name for name in _SHOWN if name not in found)])
    shared = found["budget_s"].min()
    lines = [
        "| set | rival | seeds | trained, share of its own schedule | pixel AUROC | image AUROC, own | by maximum "
        "| longest run | pixel | image, own | ms an image | M numbers | peak MiB |",
        "|---" * 13 + "|",
    ]
    for (dataset, rival), runs in found.groupby(["dataset", "rival"], sort=False):
        if "absent" in runs and runs["absent"].notna().all():
            lines.append(f"| {dataset} | {rival} | absent: {runs['absent'].iloc[0]} |" + " |" * 10)
            continue
        own = runs[runs["budget_s"].isna() | (runs["budget_s"] == shared)]
        longest = runs[(runs["budget_s"] > shared) & (runs["budget_s"] == runs["budget_s"].max())]
        cells = [str(dataset), str(rival), str(own["seed"].nunique() or "–"), _trained(own)]
        cells += [_cell(own[name]) for name in ("pixel_auroc", "image_auroc_own", "image_auroc_max")]
        cells += [_trained(longest), *(_cell(longest[name]) for name in ("pixel_auroc", "image_auroc_own"))]
        cells += [_cell(own["latency_ms"], 0), _cell(own["parameters"].head(1) / 1e6, 2), _cell(own["peak_rss_mib"], 0)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def along(folder: Path) -> pd.DataFrame:
    """The records of --watch in the runs below a folder; an empty table without any."""
    parts = []
    for path in sorted(folder.glob("*/along.csv")):
        facts = json.loads((path.parent / "facts.json").read_text())
        name = str(facts["dataset"]).split(":")[1]
        whose = {"rival": facts["rival"], "dataset": name, "seed": facts["seed"], "budget_s": facts["budget_s"]}
        parts.append(pd.read_csv(path).assign(**whose))
    return pd.concat(parts) if parts else pd.DataFrame()


def draw_along(watched: pd.DataFrame, path: Path) -> None:
    """Draws pixel AUROC against seconds of training, a panel for each set; pale lines are synthetic damage."""
    sets = watched["dataset"].unique()
    colours = {name: f"C{i}" for i, name in enumerate(ORDER)}
    figure = Figure(figsize=(5.5 * len(sets), 4.2), layout="constrained")
    for axis, name in zip(figure.subplots(1, len(sets), squeeze=False, sharey=True)[0], sets, strict=True):
        for (rival, seed, _), own in watched[watched["dataset"] == name].groupby(["rival", "seed", "budget_s"]):
            colour, label = colours[str(rival)], f"{rival}, seed {seed}"
            axis.plot(own["seconds"], own["test_pixel_auroc"], "o-", markersize=3, color=colour, label=label)
            if "synthetic_pixel_auroc" in own and own["synthetic_pixel_auroc"].notna().any():
                axis.plot(own["seconds"], own["synthetic_pixel_auroc"], "--", color=colour, alpha=0.5)
        axis.set_xscale("log")
        axis.set_xlabel("seconds of training")
        axis.set_title(name)
        axis.grid(alpha=0.25)
        axis.legend()
    figure.axes[0].set_ylabel("pixel AUROC, test images (dashed: synthetic damage)")
    figure.savefig(path, dpi=95)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="the folder that own.py and others.py wrote")
    parser.add_argument("sets", type=Path, nargs="+", help="the sets of the runs, in the MVTec AD layout")
    parser.add_argument("--side", type=int, default=128, help="px at which pixels are judged")
    parser.add_argument("--out", type=Path, default=HERE / "results.csv")
    asked = parser.parse_args(arguments)
    found = table(asked.runs, asked.sets, asked.side)
    found.to_csv(asked.out, index=False, float_format="%.5g")
    if len(watched := along(asked.runs)):
        watched.to_csv(asked.out.with_name("along.csv"), index=False, float_format="%.5g")
        draw_along(watched, asked.out.with_name("along.png"))
    print(markdown(found))


if __name__ == "__main__":
    with plainly():
        main()
