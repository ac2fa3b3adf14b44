"""What bf16 costs in accuracy: the same weights scored in float32 and in bf16; prints and writes precision.csv.

python experiments/benchmark/precision.py RUN...     # seconds each; minutes on a processor that imitates bf16
"""

import sys
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
from fae.run.build import build_module
from fae.run.folder import finished_config
from fae.run.identity import objective_name
from fae.run.network import load_weights
from fae.score.score import image_scores

BATCH = 8


def row(run_dir: Path) -> dict[str, object]:
    cfg = finished_config(run_dir)
    data: DataModule = instantiate(cfg.data, _convert_="all")
    data.setup()
    label = torch.tensor([bool(sample.label) for sample in data.test.samples]).numpy()
    judged = data.test.content & data.has_mask.view(-1, 1, 1, 1)
    found: dict[str, object] = {"dataset": data.index.dataset, "objective": objective_name(cfg), "seed": cfg.seed}
    found["trained"] = cfg.trainer.precision
    for half in (False, True):
        score = instantiate(cfg.score, _convert_="all")
        module = build_module(cfg, score)
        load_weights(module.model, cfg, run_dir)

        def residual(image: Tensor, module=module, score=score, half=half) -> Tensor:
            parts = []
            for part in (image[i : i + BATCH].float() / 255 for i in range(0, len(image), BATCH)):
                with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
                    reconstruction = module(part)
                parts.append(score.residual(part, reconstruction))
            return torch.cat(parts)

        score.calibrate(residual(data.val.image), data.val.content)
        maps = score.anomaly_map(residual(data.test.image)) * data.test.content
        scores = image_scores(score.image_score, maps, data.test.content).numpy()
        name = "bf16" if half else "float32"
        found[f"image_auroc_{name}"] = auroc(scores[~label], scores[label])
        found[f"pixel_auroc_{name}"] = auroc(maps[judged & ~data.mask].numpy(), maps[judged & data.mask].numpy())
    return found


def main() -> None:
    register()
    rows = pd.DataFrame([row(Path(name)) for name in tqdm(sys.argv[1:])])
    for kind in ("image", "pixel"):
        rows[f"{kind}_difference"] = rows[f"{kind}_auroc_bf16"] - rows[f"{kind}_auroc_float32"]
    rows.to_csv(Path(__file__).with_name("precision.csv"), index=False, float_format="%.6f")
    table = Table(*rows.columns)
    for values in rows.itertuples(index=False):
        table.add_row(*(f"{value:.4f}" if isinstance(value, float) else str(value) for value in values))
    Console(width=200).print(table)


if __name__ == "__main__":
    with plainly():
        main()
