"""What a multirun adds to its runs: a folder for itself, failures that stop no other run, and a list of them."""

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
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig

from fae.cli.command import Task, explain
from fae.machine.atomic import write_text

FAILED = "failed"
"""Folder of a sweep: a log for each run that failed in the last command; its first line holds the run's overrides."""

_WATCH = "sweep-parent"


class Sweep(Callback):  # type: ignore[misc]
    """Holds the folder of a multirun while it lasts, and lists the runs that failed; the exit code tells as well."""

    # Not of the object, which goes to the jobs of other processes.
    _lock: FileLock | None = None

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Take the folder.

        Raises:
            SystemExit: another process has it, or there is no SLURM for it; Hydra turns other exceptions of a callback
                into warnings.
        """
        folder = Path(config.hydra.sweep.dir)
        if "SlurmLauncher" in config.hydra.launcher._target_ and shutil.which("sbatch") is None:
            sys.exit(
                "error: hydra/launcher=slurm needs sbatch, which is not here; run this where SLURM takes jobs, "
                "or use hydra/launcher=joblib"
            )
        folder.mkdir(parents=True, exist_ok=True)
        Sweep._lock = FileLock(folder / ".lock")
        try:
            Sweep._lock.acquire(timeout=0)
        except Timeout:
            sys.exit(
                f"error: hydra.sweep.dir (={folder}) is in use by another sweep; wait for it, or choose another folder"
            )
        for log in (folder / FAILED).glob("*.log"):
            log.unlink()

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Give the folder back.

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
        sys.exit(f"error: {len(logs)} run(s) failed; repeat the command to try them again, it skips what is finished")


@contextmanager
def sweeping() -> Iterator[None]:
    """Give back the folder of a multirun however it ends, and explain a job that was lost.

    Raises:
        SystemExit: a job was killed before it could say why, or Ctrl-C.
    """
    try:
        yield
    except _raised_by("submitit.core.utils", "FailedJobError", "UncompletedJobError") as error:
        sys.exit(
            f"error: a job was lost: {str(error).strip()}\nThe others go on; see squeue. When it is empty, repeat the "
            "command: it skips what is finished and goes on with the rest"
        )
    except _raised_by("joblib.externals.loky.process_executor", "TerminatedWorkerError"):
        sys.exit(
            "error: a worker process was killed, perhaps for its memory, and joblib stopped the others; repeat the "
            "command to go on, with a smaller hydra.launcher.n_jobs where memory is short"
        )
    except KeyboardInterrupt:
        print("\nstopped; repeat the command to go on", flush=True)
        sys.exit(128 + signal.SIGINT)
    finally:
        _release()


def _raised_by(module: str, *names: str) -> tuple[type[BaseException], ...]:
    """Exceptions of a launcher, which is an extra: none if nothing has imported its module."""
    loaded = sys.modules.get(module)
    return tuple(getattr(loaded, name) for name in names) if loaded is not None else ()


def _release() -> None:
    if Sweep._lock is not None:
        Sweep._lock.release()
        Sweep._lock = None


def recorded(task: Task) -> Task:
    """Turn an exception of a multirun's job into a log in the sweep's folder, so that the others go on."""

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
        except Exception as error:  # a defect of ours as well: the log keeps its traceback, and the others go on
            if rank_zero_only.rank != 0:  # type: ignore[attr-defined]
                raise  # the first process of the run says what was wrong
            why = " ".join(explain(error).split())
            folder.mkdir(parents=True, exist_ok=True)
            log = folder / f"{_name(overrides)}.log"
            write_text(log, f"{overrides}\n{why}\n\n{traceback.format_exc()}")
            print(f"error: {why}\n  in {overrides}\n  see {log}", file=sys.stderr, flush=True)
            return None

    return record


def _end_with_parent() -> None:
    """Stop as by SIGTERM when the process of the sweep is gone: joblib's workers would train on, holding their runs."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    if _WATCH not in {thread.name for thread in threading.enumerate()}:
        threading.Thread(target=watch, name=_WATCH, daemon=True).start()


def _name(overrides: str) -> str:
    """Of a file: readable, and different for different runs."""
    return f"{re.sub(r'[^A-Za-z0-9.=]+', '-', overrides)[:100]}-{hashlib.sha256(overrides.encode()).hexdigest()[:8]}"
