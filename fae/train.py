"""`python -m fae.train`: train one model, score it, and leave a run folder behind."""

import hashlib
import json
import shlex
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import lightning
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback, Timer
from lightning.pytorch.loggers.logger import DummyLogger
from omegaconf import DictConfig, OmegaConf
from torch.distributed.elastic.multiprocessing.errors import record

from fae.callback.compiled import was_compiled
from fae.cli import command as cli
from fae.cli.schema import register
from fae.cli.sweep import recorded, sweeping
from fae.cli.words import override
from fae.data.module import DataModule
from fae.evaluation.finish import Maps, finish, write_detector, write_run
from fae.evaluation.levels import Levels
from fae.evaluation.measure import Normals, summary
from fae.evaluation.unseen import find_unseen, told
from fae.machine.allocator import keep_freed_memory
from fae.machine.extra import python
from fae.machine.precision import best_precision
from fae.machine.provenance import environment
from fae.metric.pixel import check_engine
from fae.parallel.processes import in_processes
from fae.run.begin import begin
from fae.run.build import build_module, build_trainer, launched, quiet
from fae.run.calibrated import DETECTOR
from fae.run.folder import LAST, METRICS, State, new_run_dir, state
from fae.run.forward import predict
from fae.run.identity import resolved
from fae.run.network import load_weights
from fae.run.parent import continued, go_on
from fae.score.score import Score
from fae.tracking.session import safe_mode

_LARGEST_SEED = 2**32 - 1  # of NumPy


def train(
    cfg: DictConfig, sweep_dir: str | None = None, command: Sequence[str] = (), watching: Sequence[Callback] = ()
) -> dict[str, Any]:
    """Train, score and write one run; an interrupted run is resumed, and a finished run is left as it is.

    Args:
        cfg: configuration composed from conf/train.yaml; `run_dir` and `trainer.precision` are decided here and
            written back.
        sweep_dir: path of a multirun's folder, in which the run gets a folder named by its configuration.
        command: words of the command line, which the command that resumes the run repeats.
        watching: extra callbacks that only observe; the configuration does not hold them, and they need a single
            process.

    Returns:
        the content of metrics.json; if there are several processes, only the first one returns it, the others return
        an empty dictionary.

    Raises:
        ValueError: a value is wrong, in the configuration or in the data.
        InstantiationException: Hydra's wrapper of an error from a leaf's constructor.
        OSError: a file is missing or cannot be written.
        FloatingPointError: the loss became NaN or infinite.
        ChildProcessError: one of several processes failed.
        SystemExit: Ctrl-C or SIGTERM stopped the run, which is saved.
    """
    if sweep_dir is not None and cfg.run_dir is not None:
        raise ValueError(f"run_dir (={cfg.run_dir}) names one run's folder; a multirun takes hydra.sweep.dir")
    return _train(cfg, sweep_dir, command, watching)


def _train(
    cfg: DictConfig, sweep_dir: str | None, command: Sequence[str], watching: Sequence[Callback] = ()
) -> dict[str, Any]:
    if cfg.pictures < 0:
        raise ValueError(f"pictures (={cfg.pictures}) must not be negative; 0 writes none")
    if not 0 <= cfg.seed <= _LARGEST_SEED:
        raise ValueError(f"seed (={cfg.seed}) must be a whole number from 0 to {_LARGEST_SEED}")
    quiet()
    data: DataModule = instantiate(cfg.data, _convert_="all")
    if cfg.trainer.precision == "auto":
        cfg.trainer.precision = best_precision(cfg.trainer.accelerator)
    # Everything that can be wrong with data or configuration shows before the first file is written.
    data.setup()
    named = cfg.run_dir is not None or sweep_dir is not None
    run_dir = Path(cfg.run_dir or new_run_dir(cfg, data.identity, sweep_dir))
    cfg.run_dir = str(run_dir)
    timer = Timer()
    trainer = build_trainer(cfg, [*instantiate(cfg.callback, _convert_="all").values(), *watching, timer])
    if watching and trainer.world_size > 1:
        raise ValueError(f"watching needs a single process; trainer.devices (={cfg.trainer.devices}) starts several")
    if trainer.world_size > 1 and launched(trainer):
        if not named:
            raise ValueError("run_dir (=None) must be given if torchrun or srun starts processes, which share it")
        # This comes before anything can fail in one process: if it ends, the processes that wait for it learn of it.
        trainer.strategy.setup_environment()
    if not trainer.is_global_zero:  # the first process judges the folder, and may already be writing into it
        if (run_dir / METRICS).is_file():
            return {}
    elif state(run_dir, cfg, data.identity) is State.FINISHED:
        print(f"{run_dir} is finished; choose another run_dir to train again", flush=True)
        found: dict[str, Any] = json.loads((run_dir / METRICS).read_text())
        return found

    if not launched(trainer):
        arguments = (resolved(cfg), sweep_dir, list(command))
        scratch = Path(cfg.cache_dir) / "processes" / hashlib.sha256(str(run_dir.resolve()).encode()).hexdigest()[:16]
        return dict(in_processes(trainer.world_size, _in_process, *arguments, scratch=scratch))
    if trainer.is_global_zero:
        for note in data.index.notes:
            print(f"NOTE: {note}", flush=True)

    lightning.seed_everything(cfg.seed, verbose=False)
    score: Score = instantiate(cfg.score, _convert_="all")
    instantiate(cfg.threshold, _convert_="all")
    instantiate(cfg.metric, _convert_="all")
    check_engine(cfg.engine)
    module = build_module(cfg, score)
    module.network.check(data.stages[0])
    module.network.check_score(score)
    module.network.check_roi(data.train.roi, {"objective": module.objective, "score.residual": score.residual})
    parent = None if cfg.continue_from is None else go_on(Path(cfg.continue_from), cfg, data, module.network)
    mode = safe_mode(cfg.logger.mode)
    words = [word for word in command if not word.startswith(("run_dir=", "sweep="))]
    resume = shlex.join([python(), "-m", "fae.train", *words, override("run_dir", str(run_dir))])

    with ExitStack() as held:
        if trainer.is_global_zero:
            origin, logger = begin(held, cfg, data, run_dir, sweep_dir, mode, resume)
            trainer.logger = logger
        else:
            trainer.logger = DummyLogger()
        resumed = str(run_dir / LAST) if (run_dir / LAST).is_file() else None
        resumed = trainer.strategy.broadcast(resumed)  # the first process decides
        trainer.fit(module, datamodule=data, ckpt_path=resumed, weights_only=True)
        checkpoint = load_weights(module.network, cfg, run_dir)
        val, test = predict(trainer, module, data)
        if not trainer.is_global_zero:
            return {}
        inside, roi, names = data.val.content, data.val.roi, module.network.names
        score.calibrate_rule(val.levels, names, roi)
        held_out = Normals(score.calibrate(score.combined(val.levels, inside.shape[-2:], roi), inside, roi), inside)
        levels = Levels(names, module.network.space.shows, val.levels, test.levels)
        residual = score.combined(test.levels, inside.shape[-2:], data.test.roi)
        maps = Maps(held_out, score.anomaly_map(residual, data.test.roi), levels=levels)
        others = (
            checkpoint
            | {
                "overrides": words,
                "weights_of": origin.weights_of,
                "steps": trainer.global_step,
                "seconds": round(timer.time_elapsed("train"), 3),
                "compiled": was_compiled(trainer),
                "git_commit": ", ".join(map(str, origin.git_commits)) if any(origin.git_commits) else None,
            }
            | environment(trainer.strategy.root_device)
        )
        others |= find_unseen(trainer, module, data, score, instantiate(cfg.unseen, _convert_="all"))
        others |= {} if parent is None else parent.facts
        finished = finish(cfg, data, score, maps, others)
        write_detector(run_dir / DETECTOR, cfg, run_dir, score, maps, finished.result, data)
        write_run(run_dir, finished, test.reconstruction, data, cfg.pictures, logger, cfg.logger.log_model, parent)
    metrics = finished.metrics
    if reason := metrics.get("image_threshold_undefined"):
        print(f"NOTE: this run scores images, but decides nothing: {reason}", flush=True)
    print(
        f"{summary(metrics)}\n{told(metrics)}\n{metrics['seconds']:.0f} s of training; the results are in {run_dir}",
        flush=True,
    )
    return metrics


@record
def _in_process(plain: dict[str, Any], sweep_dir: str | None, command: list[str]) -> dict[str, Any]:
    """Run one of several processes of a run; `plain` is the run's whole configuration."""
    register()
    keep_freed_memory()
    try:
        return _train(OmegaConf.create(plain), sweep_dir, command)
    except cli.MENDABLE as error:
        raise ValueError(cli.explain(error)) from error


def _task(cfg: DictConfig) -> None:
    hydra = HydraConfig.get()
    if hydra.mode is RunMode.MULTIRUN:
        train(cfg, hydra.sweep.dir, hydra.overrides.task)
    else:
        train(cfg, None, sys.argv[1:])


def main() -> None:
    """Entry point of `fae-train`."""
    with sweeping():
        cli.run(_task, "train", recorded, expand=continued)


if __name__ == "__main__":
    main()
