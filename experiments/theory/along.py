"""Idempotence and the Jacobian's distance from the identity along training, beside AUROC; beyond the paper.

python -m experiments.theory.along experiment=quick data=folder category=generic data.root=$PIPED/PA_FVN01_TL

trains both objectives with and without the noise anchor (every key of fae.train holds), into multirun/along, and
writes experiments/theory/along.csv, to which another set or seed is added, and a picture of each set. Repeat it to go
on after an interruption. The test AUROC along training is looked at, never used: checkpoints are chosen as ever.
"""

import sys
from pathlib import Path

import lightning
import pandas as pd
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback
from matplotlib.figure import Figure
from torch import Tensor

from experiments.ranking import ranked
from experiments.theory.manifold import idempotence, jacobian_distance
from fae.cli.command import plainly
from fae.cli.schema import conf_dir, register
from fae.data.module import DataModule
from fae.module import AnomalyAutoencoder
from fae.score.score import Score
from fae.train import train

HERE, SWEEP = Path(__file__).parent, Path("multirun/along")
OBJECTIVES, SIGMAS = ("filter", "amplify"), (0.0, 0.05)
MEASURED = "along.csv"
SET, RUN = ["dataset"], ["objective", "noise_sigma", "seed"]
_IMAGES, _BATCH = 16, 8
_LEAST = 1e-7  # of idempotence that can be told from 0 in float32


class Along(Callback):
    """Measures after every validation, and keeps what it found beside the run."""

    def __init__(self, path: Path, score: Score) -> None:
        self.path, self.score = path, score

    @torch.inference_mode(False)  # which Lightning validates in, and which knows no gradients
    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Append a row; a resumed run replaces those that it goes through again."""
        assert isinstance(pl_module, AnomalyAutoencoder)
        assert not pl_module.training
        data = trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(data, DataModule)
        image = torch.cat([data.val.image, data.train.image])[:_IMAGES].to(pl_module.device).float() / 255
        random = torch.Generator().manual_seed(0)
        found: dict[str, float] = {"step": trainer.global_step}
        found["idempotence"] = float(torch.cat([idempotence(pl_module, x) for x in image.split(_BATCH)]).mean())
        distance = torch.cat([jacobian_distance(pl_module, x, random) for x in image.split(_BATCH)])
        found["jacobian"] = float(distance.mean())
        held_out, residual = (self._residuals(pl_module, split.image) for split in (data.val, data.test))
        self.score.calibrate(held_out, data.val.content)
        maps, usable = self.score.anomaly_map(residual)[data.has_mask], data.mask[data.has_mask]
        found["test_pixel_auroc"] = ranked(maps.flatten().numpy(), usable.flatten().numpy())
        for key in ("val/loss", "val/pixel_auroc"):
            found[key] = float(trainer.callback_metrics[key])
        before = pd.read_csv(self.path) if self.path.is_file() else pd.DataFrame(columns=["step"])
        kept = before[before["step"] < found["step"]]
        pd.concat([kept, pd.DataFrame([found])] if len(kept) else [pd.DataFrame([found])]).to_csv(
            self.path, index=False
        )

    def _residuals(self, module: AnomalyAutoencoder, image: Tensor) -> Tensor:
        parts = (part.to(module.device).float() / 255 for part in image.split(_BATCH))
        with torch.no_grad():
            return torch.cat([self.score.residual(part, module(part)).cpu() for part in parts])


def one(words: list[str], objective: str, sigma: float) -> pd.DataFrame:
    """Train a run, or take it where it is finished; its measurements, a row a validation."""
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        cfg = compose(
            "train",
            [
                *words,
                f"objective={objective}",
                f"data.noise_sigma={sigma}",
                "logger.mode=disabled",
                "run_dir=unknown",
            ],
        )
    name = Path(str(cfg.data.get("root") or cfg.category.name)).name
    cfg.run_dir = str(SWEEP / f"{name}-{objective}-{sigma:g}-seed{cfg.seed}")
    path = Path(f"{cfg.run_dir}.csv")
    path.parent.mkdir(parents=True, exist_ok=True)
    # The callback is no part of the configuration: what a run is does not change by being looked at.
    watched = Along(path, instantiate(cfg.score, _convert_="all"))
    metrics = train(cfg, watching=[watched])
    return pd.read_csv(path).assign(
        dataset=metrics["dataset"],
        objective=objective,
        noise_sigma=sigma,
        seed=cfg.seed,
        image_auroc=metrics["image_auroc"],
        pixel_auroc=metrics["pixel_auroc"],
        checkpoint_step=metrics["checkpoint_step"],
        git_commit=metrics["git_commit"],
    )


def draw(table: pd.DataFrame, path: Path) -> None:
    """One set: the runs of further seeds are drawn paler."""
    figure = Figure(figsize=(13, 7.2), layout="constrained")
    axes = figure.subplots(2, 3)
    quantities = {
        "idempotence": "‖F(F(X)) − F(X)‖ / √N",
        "jacobian": "‖J − I‖ / √N",
        "test_pixel_auroc": "test pixel AUROC",
    }
    colours = {"filter": "#0072b2", "amplify": "#d55e00"}
    table = table.assign(idempotence=table["idempotence"].clip(lower=_LEAST))
    seeds = list(table["seed"].unique())
    groups = [(key, 1 / (1 + seeds.index(key[2])), own) for key, own in table.groupby(RUN, sort=False)]
    for axis, (column, title) in zip(axes[0], quantities.items(), strict=True):
        for (objective, sigma, seed), alpha, own in groups:
            style, name = "-" if sigma == 0 else "--", f"{objective}, σ = {sigma:g}, seed {seed}"
            axis.plot(own["step"], own[column], style, color=colours[objective], alpha=alpha, label=name)
        axis.set_title(title)
        axis.set_xlabel("step")
        axis.grid(alpha=0.25)
    axes[0, 0].set_yscale("log")
    axes[0, 2].legend(fontsize=8)
    pairs = (("idempotence", "test_pixel_auroc"), ("jacobian", "test_pixel_auroc"), ("idempotence", "jacobian"))
    for axis, (x, y) in zip(axes[1], pairs, strict=True):
        for (objective, sigma, _), alpha, own in groups:
            face = colours[objective] if sigma == 0 else "none"
            axis.plot(own[x], own[y], color=colours[objective], alpha=0.25 * alpha, linewidth=1)
            axis.scatter(own[x], own[y], s=18, facecolor=face, edgecolor=colours[objective], alpha=alpha)
        axis.set_xlabel(quantities[x])
        axis.set_ylabel(quantities[y])
        axis.grid(alpha=0.25)
        if x == "idempotence":
            axis.set_xscale("log")
    figure.suptitle(f"{table['dataset'].iloc[0].split(':')[1]}; a point a validation; open: σ = {max(SIGMAS):g}")
    figure.savefig(path, dpi=95)


def main(arguments: list[str] | None = None, out: Path = HERE) -> None:
    words = sys.argv[1:] if arguments is None else arguments
    register()
    table = pd.concat([one(words, objective, sigma) for objective in OBJECTIVES for sigma in SIGMAS])
    if (out / MEASURED).is_file():
        table = pd.concat([pd.read_csv(out / MEASURED), table])
        table = table.drop_duplicates([*SET, *RUN, "step"], keep="last").sort_values([*SET, "seed"], kind="stable")
    table.to_csv(out / MEASURED, index=False, float_format="%.6g")
    for name, own in table.groupby("dataset", sort=False):
        draw(own, out / f"along-{str(name).split(':')[1]}.png")
    late = table[table["step"] >= table["step"].max() / 4]
    for (name, objective, sigma, seed), own in late.groupby([*SET, *RUN], sort=False):
        ranks = own[["idempotence", "jacobian", "test_pixel_auroc"]].corr("spearman")["test_pixel_auroc"]
        print(
            f"{name}, {objective}, σ = {sigma:g}, seed {seed}: from a quarter of the steps on, AUROC's rank "
            f"correlation with idempotence {ranks['idempotence']:.2f}, with the Jacobian {ranks['jacobian']:.2f}"
        )
    last = table.groupby([*SET, *RUN], sort=False).tail(1)
    print(last.drop(columns=["git_commit"]).to_string(index=False))


if __name__ == "__main__":
    with plainly():
        main()
