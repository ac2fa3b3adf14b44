"""The beginning of a run: its folder, weights that are trained already, its W&B run, and its reaction to Ctrl-C."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from hydra.utils import instantiate
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import DictConfig

from fae.data.module import DataModule
from fae.machine.lock import locked
from fae.machine.provenance import git_commit
from fae.run.folder import LAST, Origin, claim, sweep_of, take_weights, trained_alike
from fae.run.identity import lam_of, objective_name, resolved, slug
from fae.tracking.logger import ResumableWandbLogger
from fae.tracking.session import start, wandb_run

_PATIENCE_S = 60


def begin(
    held: ExitStack, cfg: DictConfig, data: DataModule, run_dir: Path, sweep_dir: str | None, mode: str, resume: str
) -> tuple[Origin, ResumableWandbLogger]:
    """Lock a run's folder, look for weights that are trained already, and start the W&B run.

    Args:
        held: stack that ends all of these steps in the opposite order.
        cfg: the run's configuration.
        data: data module whose `setup` has run.
        run_dir: path of the run's folder.
        sweep_dir: path of the multirun's folder, if the run belongs to a multirun.
        mode: W&B mode from `fae.tracking.session.safe_mode`.
        resume: command that resumes the run.

    Returns:
        the origin and the logger of the run.

    Raises:
        ValueError: another process holds the folder.
    """
    sweep = Path(sweep_dir) if sweep_dir is not None else sweep_of(run_dir)
    group = sweep.resolve().name if sweep is not None else None
    # In a sweep, a killed run may take a moment to release its folder.
    held.enter_context(locked(run_dir, patience_s=0 if sweep is None else _PATIENCE_S))
    held.enter_context(stoppable(run_dir, resume, sweep is not None))
    twin = held.enter_context(trained_alike(sweep, run_dir, cfg, data.identity)) if sweep is not None else None
    origin = claim(run_dir, cfg, data.identity, git_commit(), group, twin)
    if twin is not None:
        take_weights(twin, run_dir)
    held.enter_context(wandb_run(sweep or run_dir, Path(cfg.cache_dir)))
    weights = f"; its weights are those of {twin.name}" if twin is not None else ""
    print(f"run folder: {run_dir}{weights}\nif interrupted, go on with: {resume}", flush=True)
    name, lam = slug(cfg, data.index.dataset), lam_of(cfg)
    logger = start(
        instantiate(cfg.logger, _partial_=True, _convert_="all"),
        mode,
        sweep or run_dir,
        run_dir.name if run_dir.name.startswith(name) else f"{name}-{run_dir.name}",
        [
            *(data.index.dataset.split(":")[0], cfg.category.name, data.preparation.corruption.name),
            *(objective_name(cfg), *([] if lam is None else [f"lam={lam:g}"]), *cfg.tags),
        ],
        resolved(cfg),
        group,
        origin.wandb_id,
    )
    return origin, logger


@contextmanager
def stoppable(run_dir: Path, resume: str, in_sweep: bool) -> Iterator[None]:
    """On Ctrl-C or SIGTERM, print the command that resumes the run and exit; in a fit LastCheckpoint saves first."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise SIGTERMException(signum)

    before = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except SIGTERMException as stopped:
        kept = f"its state is saved in {run_dir / LAST}" if (run_dir / LAST).is_file() else "nothing was trained yet"
        how = "Repeat the command of the sweep, or go on with this run:" if in_sweep else "Go on with:"
        print(f"\nThe run was stopped; {kept}. {how}\n  {resume}", flush=True)
        raise SystemExit(128 + int(stopped.code or signal.SIGTERM)) from stopped
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
