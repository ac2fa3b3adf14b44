"""Time of one image in PyTorch, onnxruntime and OpenVINO, in float32 and in 8 bits.

python -m experiments.deploy.latency RUN... --threads 2    # latency.csv

Each candidate begins with uint8 images of the run's size and ends with maps and image scores. PyTorch is `fae.load`, in
the precision of the run's training. All candidates take turns.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from hydra import compose, initialize_config_dir

from experiments.benchmark.timing import Work, in_turn
from fae.cli.command import plainly
from fae.cli.schema import conf_dir, register
from fae.export.__main__ import run as export
from fae.machine.provenance import environment, git_commit
from fae_runtime.engine import start

HERE = Path(__file__).parent
BATCHES = (1, 16)


def measure(run_dir: Path, threads: int, seconds: float) -> list[dict[str, Any]]:
    """Return a row for each candidate and batch size."""
    import fae

    torch.set_num_threads(threads)
    detector = fae.load(run_dir)
    height, width = detector.image_size
    image = np.random.default_rng(0).integers(0, 256, (max(BATCHES), height, width, 3), dtype=np.uint8)
    work: dict[str, Work] = {}
    with tempfile.TemporaryDirectory() as folder:
        for precision in ("float32", "int8"):
            output = Path(folder) / precision
            try:
                metadata = _exported(run_dir, output, precision)
            except ValueError as error:
                print(f"NOTE: {run_dir} has no {precision}: {error}", flush=True)
                continue
            model = tuple((output / name).read_bytes() for name in metadata["files"])
            for engine in metadata["engines"]:
                run = start(engine, model, threads)
                for batch in BATCHES:
                    inputs: dict[str, Any] = {"image": image[:batch]}
                    if metadata["image"]["content"]:
                        inputs["content"] = np.ones(image[:batch].shape[:3], dtype=np.bool_)
                    work[f"{engine} {precision}|{batch}"] = partial(run, inputs)
    for batch in BATCHES:
        work[f"torch, as trained|{batch}"] = partial(detector.batch, list(image[:batch]))
    times = in_turn(work, torch.device("cpu"), seconds, at_most=20)
    facts = {"threads": threads, "git_commit": git_commit()} | environment(torch.device("cpu"))
    rows = []
    for name, found in times.items():
        candidate, batch = name.split("|")
        what = {"run": run_dir.name, "height": height, "width": width, "candidate": candidate, "batch": int(batch)}
        rows.append(what | {"ms_an_image": 1000 * float(np.median(found)) / int(batch), "rounds": len(found)} | facts)
    return rows


def _exported(run_dir: Path, output: Path, precision: str) -> dict[str, Any]:
    register()
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        cfg = compose("export", [f"run_dir={run_dir}", f"output={output}", f"precision={precision}"])
    return export(cfg)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of finished runs")
    parser.add_argument("--threads", type=int, default=2, help="threads of each candidate")
    parser.add_argument("--seconds", type=float, default=60, help="time for a run after which no further round begins")
    parser.add_argument("--out", type=Path, default=HERE / "latency.csv")
    asked = parser.parse_args(words)
    table = pd.DataFrame([row for run in asked.runs for row in measure(run, asked.threads, asked.seconds)])
    table.to_csv(asked.out, index=False, float_format="%.4g")
    wide = table.pivot_table("ms_an_image", ["run", "height", "batch"], "candidate")
    print(wide.round(1).to_string())


if __name__ == "__main__":
    with plainly():
        main()
