"""The contract of kinds of export: how far onnxruntime and OpenVINO lie from PyTorch.

python -m experiments.deploy.contract quick=RUN amplify=RUN pad=RUN features=RUN    # contract.csv

The runs belong to one data set; quick and amplify share their held-out images, as an ensemble needs.
"""

import argparse
import tempfile
from pathlib import Path

import pandas as pd
from hydra import compose, initialize_config_dir

from experiments.deploy.kinds import KINDS, Kind
from fae.cli.command import plainly
from fae.cli.schema import conf_dir, register
from fae.export.__main__ import run as export
from fae.machine.provenance import git_commit

HERE = Path(__file__).parent


def row(kind: Kind, runs: dict[str, str]) -> list[dict[str, object]]:
    """Export one kind, and return a row for each engine."""
    register()
    words = [word.format(**runs) for word in kind.words]
    with initialize_config_dir(conf_dir(), version_base="1.3"), tempfile.TemporaryDirectory() as folder:
        cfg = compose("export", [f"run_dir={runs[kind.run]}", f"output={folder}/out", *words])
        try:
            metadata = export(cfg)
        except ValueError as error:  # the contract is broken, and the message says where
            return [{"kind": kind.name, "refused": str(error), "git_commit": git_commit()}]
    facts = ("images", "map", "score", "flips", "worst")
    return [
        {"kind": kind.name, "engine": engine, "version": metadata["versions"][engine]}
        | {name: found[name] for name in facts}
        | {"near": len(found["near"]), "git_commit": metadata["run"]["exported_by"]}
        for engine, found in metadata["contract"].items()
    ]


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="NAME=RUN for quick, amplify, pad and features")
    parser.add_argument("--out", type=Path, default=HERE / "contract.csv")
    asked = parser.parse_args(words)
    runs = dict(one.split("=", 1) for one in asked.runs)
    if missing := {kind.run for kind in KINDS} - runs.keys():
        raise SystemExit(f"name a run for {', '.join(sorted(missing))}, as in quick=RUN")
    table = pd.DataFrame([one for kind in KINDS for one in row(kind, runs)]).convert_dtypes()
    table.to_csv(asked.out, index=False, float_format="%.2g")
    print(table.to_string(index=False))


if __name__ == "__main__":
    with plainly():
        main()
