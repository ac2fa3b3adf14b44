"""Accuracy that bf16 costs: the same weights score the test images in float32 and in bf16; writes precision.csv.

python -m experiments.benchmark.precision RUN... --out DIR

It takes seconds a run, and minutes on a processor without bf16.
"""

import argparse
from pathlib import Path

import pandas as pd
import torch
from hydra.utils import instantiate
from rich.console import Console
from rich.table import Table
from torch import Tensor
from tqdm import tqdm

from fae.cli.command import plainly
from fae.cli.schema import register
from fae.data.module import DataModule
from fae.metric.auroc import auroc
from fae.module import AnomalyAutoencoder
from fae.run.build import build_module
from fae.run.folder import finished_config
from fae.run.identity import objective_name
from fae.run.network import load_weights
from fae.score.score import Score, image_scores

BATCH = 8
"""Number of images that the network sees at a time."""


def residual(image: Tensor, module: AnomalyAutoencoder, score: Score, half: bool) -> Tensor:
    """Residual maps `(N, 1, H, W)` of images `(N, 3, H, W)` uint8, by a network in bf16 or in float32."""
    parts = []
    for part in (one.float() / 255 for one in torch.split(image, BATCH)):
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
            reconstruction = module(part)
        parts.append(score.residual(part, reconstruction))
    return torch.cat(parts)


def row(run_dir: Path) -> dict[str, object]:
    """AUROC by image and by pixel of a finished run in both precisions."""
    cfg = finished_config(run_dir)
    data: DataModule = instantiate(cfg.data, _convert_="all")
    data.setup()
    label = torch.tensor([bool(sample.label) for sample in data.test.samples]).numpy()
    judged = data.test.content & data.has_mask.view(-1, 1, 1, 1)
    found: dict[str, object] = {"dataset": data.index.dataset, "objective": objective_name(cfg), "seed": cfg.seed}
    found["trained"] = cfg.trainer.precision
    for half, name in ((False, "float32"), (True, "bf16")):
        score: Score = instantiate(cfg.score, _convert_="all")
        module = build_module(cfg, score)
        load_weights(module.network, cfg, run_dir)
        score.calibrate(residual(data.val.image, module, score, half), data.val.content)
        maps = score.anomaly_map(residual(data.test.image, module, score, half)) * data.test.content
        scores = image_scores(score.image_score, maps, data.test.content).numpy()
        found[f"image_auroc_{name}"] = auroc(scores[~label], scores[label])
        found[f"pixel_auroc_{name}"] = auroc(maps[judged & ~data.mask].numpy(), maps[judged & data.mask].numpy())
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="finished runs of fae.train")
    parser.add_argument("--out", type=Path, default=Path("benchmarks"), help="folder of precision.csv")
    asked = parser.parse_args(arguments)
    register()
    rows = pd.DataFrame([row(run) for run in tqdm(asked.runs)])
    for kind in ("image", "pixel"):
        rows[f"{kind}_difference"] = rows[f"{kind}_auroc_bf16"] - rows[f"{kind}_auroc_float32"]
    asked.out.mkdir(parents=True, exist_ok=True)
    rows.to_csv(asked.out / "precision.csv", index=False, float_format="%.6f")
    table = Table(*rows.columns)
    for values in rows.itertuples(index=False):
        table.add_row(*(f"{value:.4f}" if isinstance(value, float) else str(value) for value in values))
    Console(width=200).print(table)


if __name__ == "__main__":
    with plainly():
        main()
