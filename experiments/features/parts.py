"""What a finished run reaches by a part of its rule: image level and strides alone, without head and memory.

python -m experiments.features.parts RUN... --out experiments/features/parts.csv

F's weights depend on neither, so that one training tells what each adds. Residual, k, n and image score are the run's.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from fae.cli.command import plainly
from fae.evaluation.finished_run import Scored
from fae.metric.auroc import auroc
from fae.run.folder import finished_config
from fae.score.rule.soft_maximum import SoftMaximum
from fae.score.score import image_scores

SUMS = [{"image": 1, "head": 0, "nearest": 0}, {"stride *": 1}]


def measure(run: Path) -> dict[str, object]:
    """Return image and pixel AUROC of a run by image level and strides."""
    scored = Scored(run, finished_config(run), None)
    data, levels, score = scored.data, scored.levels, scored.score
    size = data.val.image.shape[-2:]
    score.rule = SoftMaximum(SUMS)
    score.rule.calibrate(levels.val, levels.names)
    score.calibrate(score.combined(levels.val, size), data.val.content)
    maps = score.anomaly_map(score.combined(levels.test, size)) * data.test.content
    values = image_scores(score.image_score, maps, data.test.content).numpy()
    label = np.array([sample.label for sample in data.test.samples], bool)
    judged = data.test.content & data.has_mask.view(-1, 1, 1, 1)
    return {
        "set": data.index.dataset.removeprefix("folder:"),
        "seed": data.seed,
        "image_auroc": auroc(values[~label], values[label]),
        "pixel_auroc": auroc(maps[judged & ~data.mask].numpy(), maps[judged & data.mask].numpy()),
        "git_commit": str(scored.where["git_commit"])[:7],
    }


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of finished runs of experiment=features")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "parts.csv")
    asked = parser.parse_args(words)
    table = pd.DataFrame([measure(run) for run in asked.runs]).sort_values(["set", "seed"])
    table.to_csv(asked.out, index=False, float_format="%.4g")
    print(table.to_string(index=False))


if __name__ == "__main__":
    with plainly():
        main()
