"""`python -m fae.evaluate`: score finished runs again, with other k, n, t, residuals, image scores or thresholds."""

import hashlib
import math
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.console import Console

from fae.cli import command as cli
from fae.evaluation.ensemble import check_members, pooled, together
from fae.evaluation.finish import Maps, finish, write_detector, write_evaluation
from fae.evaluation.finished_run import FOLDER, Scored
from fae.evaluation.measure import summary
from fae.evaluation.search import Grid, Labelled, Setting, best
from fae.evaluation.search_page import plot, table, write_csv
from fae.machine.lock import locked
from fae.picture.sheet import write_sheet
from fae.score.score import calibrate_image_score

SELECTIONS = ("validation", "oracle")


def evaluate(cfg: DictConfig) -> dict[str, Any]:
    """Score a finished run again.

    If nothing is changed, the same machine and versions give exactly the run's own numbers.

    The network runs once for each kind of residual, see `fae.evaluation.finished_run`.

    Args:
        cfg: configuration composed from conf/evaluate.yaml.

    Returns:
        the content of `<run_dir>/evaluation/<name>.json`; metrics.json stays as it is.

    Raises:
        ValueError: `run_dir` holds no finished run, the images are not its images, or a value is wrong.
        InstantiationException: Hydra's wrapper of an error from a leaf's constructor.
        OSError: a file is missing or cannot be written.
    """
    run_dir = Path(cfg.run_dir)
    if cfg.name is not None and Path(cfg.name).name != cfg.name:
        raise ValueError(
            f"name (={cfg.name}) must be a file's name without a folder: the file goes to {run_dir / FOLDER}"
        )
    _check(cfg)
    run = Scored.open(run_dir, cfg)
    others = None if cfg.calibration.root is None else run.others(Path(cfg.calibration.root))
    folder = run_dir / FOLDER
    with locked(run_dir):
        folder.mkdir(exist_ok=True)
        if cfg.grid is not None:
            run.set(*_choose(instantiate(cfg.grid, _convert_="all"), run, cfg.select))
        members = [run] if cfg.ensemble is None else [Scored.open(Path(name), cfg) for name in cfg.ensemble]
        held_out, maps = together(members, cfg.ensemble_scale)
        image_score = run.score.image_score
        calibrate_image_score(image_score, held_out.anomaly_map, held_out.content)
        calibration = None
        if others is not None:
            calibration = run.normals(others)
        elif cfg.calibration.runs is not None:
            folds = [Scored.open(Path(name), cfg) for name in cfg.calibration.runs]
            for fold in folds:
                fold.set(Setting(run.score.k, run.score.n, run.score.t), None)
            calibration = pooled(folds, run)
        every = Maps(held_out, maps, calibration, run.levels if cfg.ensemble is None else None)
        facts = run.checkpoint | run.where
        if run.protocol is not None:
            facts["protocol"] = run.protocol
        if calibration is not None:
            source = cfg.calibration.root or ", ".join(cfg.calibration.runs)
            facts["calibration"] = f"thresholds from normal images of {source}"
        if cfg.ensemble is not None:
            facts |= {"ensemble": list(cfg.ensemble), "ensemble_scale": cfg.ensemble_scale}
        finished = finish(run.cfg, run.data, run.score, every, facts)
        name = cfg.name or _name(run, cfg)
        detector = folder / f"{name}.pt"
        if cfg.ensemble is None:
            write_detector(detector, run.cfg, run_dir, run.score, every, finished.result, run.data)
        else:
            detector.unlink(missing_ok=True)
        path = write_evaluation(folder, name, finished)
    metrics = finished.metrics
    print(f"{summary(metrics)}\nThe results are in {path}", flush=True)
    return metrics


def _check(cfg: DictConfig) -> None:
    """Refuse keys that cannot be combined."""
    calibrated = cfg.calibration.root is not None or cfg.calibration.runs is not None
    if cfg.select is not None and (cfg.select not in SELECTIONS or cfg.grid is None):
        raise ValueError(f"select (={cfg.select}) must be one of {', '.join(SELECTIONS)}, and needs grid=default")
    if cfg.calibration.root is not None and cfg.calibration.runs is not None:
        raise ValueError("calibration.root and calibration.runs exclude each other; set only one of them")
    if cfg.calibration.runs is not None and not cfg.calibration.runs:
        raise ValueError("calibration.runs (=[]) must name the runs of all folds")
    if cfg.ensemble is None:
        return
    check_members(Path(cfg.run_dir), cfg.ensemble)
    if cfg.grid is not None or calibrated:
        raise ValueError(
            "ensemble goes with neither grid nor calibration, which concern a single run; leave out ensemble, or grid "
            "and calibration"
        )


def _name(run: Scored, cfg: DictConfig) -> str:
    """Return a name of the maps' settings and of all else that was asked for, so that no result replaces another."""
    parts = [run.name]
    if cfg.ensemble is not None:
        members = hashlib.sha256("\n".join(sorted(cfg.ensemble)).encode()).hexdigest()[:6]
        parts.insert(0, f"ensemble-{members}-{cfg.ensemble_scale}")
    parts += [] if cfg.select is None else [cfg.select]
    parts += [] if cfg.engine is None else [cfg.engine]
    parts += [f"{key}{value:g}" for key, value in cfg.threshold.items() if value is not None]
    if cfg.calibration.root is not None or cfg.calibration.runs is not None:
        parts.append("calibrated")
    return "-".join(parts)


def _choose(grid: Grid, run: Scored, select: str | None) -> tuple[Setting, str | None]:
    """Score the whole grid, show it and write it; return the selected setting, and how it was selected."""
    data, residual = run.data, run.residuals
    label = torch.tensor([sample.label for sample in data.test.samples], dtype=torch.bool).numpy()
    judged = data.test.content & data.has_mask.view(-1, 1, 1, 1)
    damaged = None
    if select == "validation":
        judged_copies = data.val.content.repeat(data.val_corruptions, 1, 1, 1)
        damaged = Labelled(*run.damaged, judged_copies, None if data.val.roi is None else judged_copies)
    rows = grid.sweep(
        run.score.residual,
        run.score.image_score,
        Labelled(residual.val, torch.zeros_like(data.val.content), data.val.content, data.val.roi),
        damaged,
        Labelled(residual.test, data.mask, judged, data.test.roi),
        data.test.content,
        label,
    )
    fixed = Setting(run.score.k, run.score.n, float(run.score.t))
    chosen = {"fixed": fixed}
    if damaged is not None:
        chosen["validation"] = best(rows, "val_pixel_auroc")
    if any(math.isfinite(row.pixel_auroc) for row in rows):
        chosen["oracle"] = best(rows, "pixel_auroc")
    stem = f"grid-{run.score.residual.name}-{run.image_score_name}" + (f"-{select}" if select else "")
    write_csv(rows, run.run_dir / FOLDER / f"{stem}.csv")
    title = f"{data.index.dataset}, {run.score.residual.name} residual, {run.score.image_score.name}"
    write_sheet(plot(rows, chosen, title), run.run_dir / FOLDER / f"{stem}.png")
    Console().print(table(rows, chosen))
    if select is None:
        return fixed, None
    if select not in chosen:
        raise ValueError(f"select (={select}) needs test images with masks; use validation")
    how = {
        "validation": f"on {len(data.val.samples)} held-out normal images with seeded damage, no defect seen",
        "oracle": "on the test images themselves: an oracle's figure",
    }[select]
    name = "test (oracle)" if select == "oracle" else select
    return chosen[select], f"{name}: k, n, t of {len(rows)} settings by pixel AUROC {how}"


def main() -> None:
    """Entry point of `fae-evaluate`."""
    cli.run(evaluate, "evaluate")


if __name__ == "__main__":
    main()
