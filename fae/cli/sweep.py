"""The additions of a multirun: it locks its folder, a failed run stops no other run, and all failures are listed."""

import hashlib
import os
import re
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from lightning.fabric.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig

from fae.cli.command import Task, explain
from fae.machine.atomic import write_text

FAILED = "failed"
"""The folder, inside a sweep's folder, with a log of each run that failed in the last command.

The first line of a log holds the run's overrides."""

_WATCH = "sweep-parent"


class Sweep(Callback):  # type: ignore[misc]
    """Locks the folder of a multirun until it ends, lists the failed runs, and sets the exit code if there are any."""

    # The class holds the lock, because the object is sent to jobs in other processes.
    _lock: FileLock | None = None

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Lock the multirun's folder, and remove the logs of earlier failures.

        Raises:
            SystemExit: another process holds the folder, or the SLURM launcher finds no SLURM. Hydra would turn other
                exceptions of a callback into warnings.
        """
        folder = Path(config.hydra.sweep.dir)
        if "SlurmLauncher" in config.hydra.launcher._target_ and shutil.which("sbatch") is None:
            sys.exit(
                "error: hydra/launcher=slurm needs sbatch, which is not installed here; run the sweep on a machine "
                "that submits to SLURM, or use hydra/launcher=joblib"
            )
        folder.mkdir(parents=True, exist_ok=True)
        Sweep._lock = FileLock(folder / ".lock")
        try:
            Sweep._lock.acquire(timeout=0)
        except Timeout:
            sys.exit(
                f"error: hydra.sweep.dir (={folder}) is in use by another sweep; wait until it ends, "
                "or choose another folder"
            )
        for log in (folder / FAILED).glob("*.log"):
            log.unlink()

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Release the folder, and list the failed runs.

        Raises:
            SystemExit: a run failed.
        """
        _release()
        logs = sorted((Path(config.hydra.sweep.dir) / FAILED).glob("*.log"))
        if not logs:
            return
        for log in logs:
            words, why, *_rest = [*log.read_text(encoding="utf-8").splitlines(), "", ""]
            print(f"failed: {why}\n  in {words}\n  see {log}", file=sys.stderr)
        sys.exit(f"error: {len(logs)} run(s) failed; repeat the command to try them again: it skips finished runs")


@contextmanager
def sweeping() -> Iterator[None]:
    """Release the folder of a multirun however it ends, and explain the loss of a job.

    Raises:
        SystemExit: a job was killed before it could report an error, or Ctrl-C was pressed.
    """
    try:
        yield
    except _raised_by("submitit.core.utils", "FailedJobError", "UncompletedJobError") as error:
        sys.exit(
            f"error: a job was lost: {str(error).strip()}\nThe other jobs go on; squeue lists them. When the list is "
            "empty, repeat the command: it skips finished runs and goes on with the rest"
        )
    except _raised_by("joblib.externals.loky.process_executor", "TerminatedWorkerError"):
        sys.exit(
            "error: a worker process was killed, perhaps because memory ran out, and joblib stopped the others; repeat "
            "the command to go on, with a smaller hydra.launcher.n_jobs if memory is short"
        )
    except KeyboardInterrupt:
        print("\nThe sweep was stopped; repeat the command to go on", flush=True)
        sys.exit(128 + signal.SIGINT)
    finally:
        _release()


def _raised_by(module: str, *names: str) -> tuple[type[BaseException], ...]:
    """Return exceptions of a launcher, which an extra brings; the tuple is empty if its module is not imported."""
    loaded = sys.modules.get(module)
    return tuple(getattr(loaded, name) for name in names) if loaded is not None else ()


def _release() -> None:
    if Sweep._lock is not None:
        Sweep._lock.release()
        Sweep._lock = None


def recorded(task: Task) -> Task:
    """Wrap a task: an exception in a multirun's job becomes a log in the sweep's folder, and the other jobs go on."""

    def record(cfg: DictConfig) -> Any:
        hydra = HydraConfig.get()
        if hydra.mode is not RunMode.MULTIRUN:
            return task(cfg)
        if "joblib" in hydra.launcher._target_:
            _end_with_parent()
        overrides = " ".join(hydra.overrides.task)
        folder = Path(hydra.sweep.dir) / FAILED
        try:
            return task(cfg)
        except Exception as error:  # also a defect of this program: the log keeps the traceback, and other jobs go on
            if rank_zero_only.rank != 0:  # type: ignore[attr-defined]
                raise  # the first process of the run reports what was wrong
            why = " ".join(explain(error).split())
            folder.mkdir(parents=True, exist_ok=True)
            log = folder / f"{_name(overrides)}.log"
            write_text(log, f"{overrides}\n{why}\n\n{traceback.format_exc()}")
            print(f"error: {why}\n  in {overrides}\n  see {log}", file=sys.stderr, flush=True)
            return None

    return record


def _end_with_parent() -> None:
    """Stop by SIGTERM when the sweep's process is gone: otherwise joblib's workers would go on and hold their runs."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    if _WATCH not in {thread.name for thread in threading.enumerate()}:
        threading.Thread(target=watch, name=_WATCH, daemon=True).start()


def _name(overrides: str) -> str:
    """Return a file name that is readable and differs between runs."""
    return f"{re.sub(r'[^A-Za-z0-9.=]+', '-', overrides)[:100]}-{hashlib.sha256(overrides.encode()).hexdigest()[:8]}"
