"""Predictions from the first check to the last row, as conf/predict.yaml sets them."""

import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from fae.machine.lock import locked
from fae.predict.inputs import Inputs
from fae.predict.pictures import MAPS, Pictures
from fae.predict.scorer import ExportScorer, RunScorer, Scorer
from fae.predict.scoring import Scoring
from fae.predict.workers import cores_of, default_threads, in_threads
from fae.prediction.files import Files, indexed
from fae.prediction.part import Parts
from fae.prediction.row import TABLE, Row
from fae.prediction.settings import check_output, settle
from fae.prediction.shard import Shard, State, begin, write_state
from fae.prediction.table import write_table
from fae_runtime.export import METADATA

_OF_RUNS = {"evaluation": None, "size": "run", "tile": None, "overlap": None, "device": "auto"}
"""The keys that an export has no choice of, with the values that choose nothing."""
_NO_SETTINGS = ("input", "output", "device", "batch_size", "threads", "shard")
"""The keys that change nothing but how and where the rows are made."""


def predict(cfg: DictConfig) -> int:
    """Score all files of a shard; a repeated command goes on where the previous one stopped.

    A file that has changed since it was scored is scored again.

    Args:
        cfg: configuration composed from conf/predict.yaml.

    Returns:
        the number of files that could not be scored; the rows hold the reasons.

    Raises:
        ValueError: a value is wrong, or `output` holds predictions that were made with other settings.
        OSError: a file is missing or cannot be written.
    """
    output, shard = Path(cfg.output), Shard(cfg.shard.count, cfg.shard.index)
    threads = default_threads() if cfg.threads is None else cfg.threads
    for key, value in (("threads", threads), ("batch_size", cfg.batch_size)):
        if value < 1:
            raise ValueError(f"{key} (={value}) must be at least 1")
    if cfg.maps not in MAPS:
        raise ValueError(f"maps (={cfg.maps}) must be {', '.join(MAPS[:-1])} or {MAPS[-1]}")
    inputs = Inputs(cfg.input, output)
    check_output(output)
    scorer = _scorer(cfg, threads)
    for kind, what in (("image", "no decisions are made"), ("pixel", "no masks, areas and boxes are written")):
        if scorer.thresholds[kind] is None:
            print(f"NOTE: {what}: {scorer.undefined(kind)}; or set threshold.{kind} yourself", flush=True)
    if scorer.unbounded:
        print(
            "NOTE: whole images are judged, although each image of training had a region of interest: thresholds may "
            "not hold; score such images from Python with roi=",
            flush=True,
        )
    if cfg.maps == "anomalous" and scorer.thresholds["image"] is None:
        raise ValueError("maps (=anomalous) needs a threshold for images; set threshold.image, or use maps=all")
    root = inputs.root()
    settle(output, _settings(cfg, scorer, shard, root))
    kinds = [kind for kind in ("map", "mask", "overlay") if cfg.write[kind]]
    scoring = Scoring(scorer, Pictures(output, root, kinds, cfg.maps, scorer.colour_limit))
    folder = output / shard.name
    with locked(folder, "output"):
        begin(folder)
        with indexed(folder, filter(shard.holds, inputs)) as files:
            state = _score(files, scoring, folder, cfg.batch_size, threads)
        if shard.count == 1:
            write_table(output, 1, ("csv",))
        write_state(folder, state)
    said = f"{state.files} image(s), {state.failed} of them could not be scored"
    if shard.count == 1:
        print(f"{said}; the results are in {output / TABLE}.csv", flush=True)
    else:
        print(f"shard {shard.index} of {shard.count}: {said}; the rows are in {folder}, see fae.merge", flush=True)
    return state.failed


def _score(files: Files, scoring: Scoring, folder: Path, batch_size: int, threads: int) -> State:
    total, failed = len(files), 0
    together = max(1, min(batch_size, -(-total // threads)))
    with (
        Parts(folder) as parts,
        tqdm(total=total, unit="image", disable=not sys.stderr.isatty()) as bar,
        closing(in_threads(scoring, files.to_score(), together, threads)) as found,
    ):
        for rows in found:
            parts.add(rows)
            failed += sum(row.error is not None for row in rows)
            bar.update(len(rows))
        parts.add([Row(path) for path in files.outdated()])
    return State(total, failed)


def _scorer(cfg: DictConfig, threads: int) -> Scorer:
    folder, thresholds = Path(cfg.run_dir), {"image": cfg.threshold.image, "pixel": cfg.threshold.pixel}
    if not (folder / METADATA).is_file():
        return RunScorer(folder, thresholds, cfg.evaluation, cfg.size, cfg.tile, cfg.overlap, cfg.device)
    for key, value in _OF_RUNS.items():
        if cfg[key] != value:
            raise ValueError(
                f"{key} (={cfg[key]}) has no meaning for the export run_dir (={folder}); leave it out, or name a run"
            )
    return ExportScorer(folder, thresholds, cores_of(threads))


def _settings(cfg: DictConfig, scorer: Scorer, shard: Shard, root: Path) -> dict[str, Any]:
    """Return the settings that determine the predictions; a folder holds predictions of only one such set."""
    plain = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(plain, dict)
    kept = {str(key): value for key, value in plain.items() if key not in _NO_SETTINGS}
    if cfg.overlap is None:
        del kept["tile"]  # exact tiles only change the need for memory
    return kept | {
        "run_dir": Path(cfg.run_dir).name,
        "root": str(root),
        "detector": scorer.identity,
        "thresholds": list(scorer.thresholds.values()),
        "shard.count": shard.count,
    }
