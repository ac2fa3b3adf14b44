"""Computes table 4: image and pixel AUROC of filter, amplify and ensemble on textures, mean and deviation over seeds.

python -m experiments.tables.objectives multirun/textures --corruption elastic        # writes table4.csv

The ensemble is the pixelwise maximum of both maps (section 4.4). Its two runs share images and seed. The maps of two
networks may differ in scale, so that a second ensemble divides each map by its mean over the held-out normal images.
"""

import argparse
import hashlib
import json
from pathlib import Path

import pandas as pd
from hydra import compose, initialize_config_dir
from tqdm import tqdm

from fae.cli.command import plainly
from fae.cli.schema import conf_dir, register
from fae.evaluate import evaluate
from fae.run.folder import METRICS

HERE = Path(__file__).parent
MEASURES = ("image_auroc", "pixel_auroc")


def pairs(sweeps: list[Path], corruption: str) -> dict[tuple[str, int], dict[str, Path]]:
    """Maps (data set, seed) and objective to a run, where both objectives have one.

    Raises:
        SystemExit: two runs belong into the same cell of the table.
    """
    found: dict[tuple[str, int], dict[str, Path]] = {}
    for path in sorted(path for sweep in sweeps for path in sweep.glob(f"*/{METRICS}")):
        metrics = json.loads(path.read_text())
        if metrics["corruption"] == corruption:
            of_set = found.setdefault((metrics["dataset"], metrics["seed"]), {})
            if metrics["objective"] in of_set:
                raise SystemExit(
                    f"{path.parent} and {of_set[metrics['objective']]} are two runs of one cell; name one sweep"
                )
            of_set[metrics["objective"]] = path.parent
    return {key: of_set for key, of_set in found.items() if of_set.keys() == {"filter", "amplify"}}


def ensemble(filtering: Path, amplifying: Path, scale: str) -> dict[str, float]:
    """The metrics of the ensemble, which fae.evaluate keeps in the filter run's folder."""
    members = hashlib.sha256(f"{filtering.name}\n{amplifying.name}".encode()).hexdigest()[:8]
    path = filtering / "evaluation" / f"table4-{members}-{scale}.json"
    if not path.is_file():
        words = [f"run_dir={filtering}", f"ensemble=[{filtering},{amplifying}]", f"ensemble_scale={scale}"]
        with initialize_config_dir(conf_dir(), version_base="1.3"):
            evaluate(compose("evaluate", [*words, f"name={path.stem}"]))
    found: dict[str, float] = json.loads(path.read_text())
    return found


def table(sweeps: list[Path], corruption: str) -> pd.DataFrame:
    """A row for each data set and seed."""
    rows = []
    for (dataset, seed), of_set in tqdm(sorted(pairs(sweeps, corruption).items())):
        both = of_set["filter"], of_set["amplify"]
        columns = {
            **{name: json.loads((run / METRICS).read_text()) for name, run in of_set.items()},
            "ensemble": ensemble(*both, "none"),
            "ensemble_scaled": ensemble(*both, "validation"),
        }
        row: dict[str, object] = {"dataset": dataset, "corruption": corruption, "seed": seed}
        for measure in MEASURES:
            row |= {f"{measure}_{name}": metrics[measure] for name, metrics in columns.items()}
        rows.append(row)
    if not rows:
        where = ", ".join(map(str, sweeps))
        raise SystemExit(f"no data set has runs of both objectives with corruption={corruption} in {where}")
    return pd.DataFrame(rows)


def markdown(found: pd.DataFrame) -> str:
    """Means over the seeds; the last row is the mean over the sets, with its standard deviation over the seeds."""
    kinds = ("filter", "amplify", "ensemble", "ensemble_scaled")
    columns = [f"{measure}_{kind}" for measure in MEASURES for kind in kinds]
    lines = [
        "| | "
        + " | ".join(f"{measure[:5]}: {kind.replace('_', ', ')}" for measure in MEASURES for kind in kinds)
        + " |",
        "|---" * 9 + "|",
        "| paper, mean of 5 textures | 100 | 99.3 | | | 99.3 | 98.6 | 99.3 | |",
    ]

    def cells(mean: pd.Series, std: pd.Series) -> list[str]:
        return [f"{100 * mean[c]:.1f}" + ("" if pd.isna(std[c]) else f" ± {100 * std[c]:.1f}") for c in columns]

    for dataset, own in found.groupby("dataset"):
        lines.append("| " + " | ".join([str(dataset), *cells(own[columns].mean(), own[columns].std())]) + " |")
    seeds = found.groupby("seed")
    whole = [seed for seed, own in seeds if len(own) == found["dataset"].nunique()]
    by_seed = seeds[columns].mean().loc[whole]
    count = found["dataset"].nunique()
    lines.append("| " + " | ".join([f"mean of {count} sets", *cells(by_seed.mean(), by_seed.std())]) + " |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweeps", type=Path, nargs="+", help="folders that fae.train -m wrote")
    parser.add_argument("--corruption", default="elastic", help="the damage of the runs to compare")
    parser.add_argument("--out", type=Path, default=HERE / "table4.csv")
    asked = parser.parse_args(arguments)
    register()
    found = table(asked.sweeps, asked.corruption)
    found.to_csv(asked.out, index=False, float_format="%.4f")
    print(markdown(found))


if __name__ == "__main__":
    with plainly():
        main()
