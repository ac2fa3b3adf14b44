"""Several processes on one machine for one run, where no torchrun or srun has started them."""

import json
import logging
import multiprocessing
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch


def in_processes(count: int, function: Callable[..., Any], *arguments: Any, scratch: Path) -> Any:
    """Call a function in so many new processes, which find each other by PyTorch's environment variables.

    When one dies, PyTorch ends the others. A signal is handed on to all of them.

    Args:
        count: processes.
        function: of a module, so that it can be found there by name, with PyTorch's decorator `record`.
        arguments: plain values.
        scratch: a folder for what the processes say of their failures; emptied before, and removed after.

    Returns:
        what the first one returned.

    Raises:
        ValueError: one raised a ValueError; with its message.
        ChildProcessError: one failed otherwise; with its message.
        SystemExit: a signal stopped them.
    """
    shutil.rmtree(scratch, ignore_errors=True)  # of a run that was killed
    scratch.mkdir(parents=True)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        max_restarts=0,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        run_id=scratch.name,
        logs_specs=DefaultLogsSpecs(log_dir=str(scratch)),
        # The processes are forked from one that has imported the module and has no GPU yet: its imports, which take
        # seconds, are done once.
        start_method="forkserver",
    )
    spec = sys.modules[function.__module__].__spec__
    if spec is not None:  # the name of the module even where it is run as __main__
        multiprocessing.set_forkserver_preload([spec.name])
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("torch.distributed.elastic"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # what it says is raised as well
    try:
        return elastic_launch(config, function)(*arguments)[0]
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        kind, _, words = _message(failure.message).partition(": ")
        if kind == "ValueError":
            raise ValueError(words) from error
        raise ChildProcessError(
            f"process {rank} of {count} failed: {kind}: {words}. The others were stopped; repeat the command to go on"
        ) from error
    except SignalException as stopped:
        raise SystemExit(128 + stopped.sigval) from stopped
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _message(message: Any) -> str:
    """Of a failure as PyTorch records it: JSON of an exception, or words on a signal."""
    with suppress(json.JSONDecodeError):
        message = json.loads(message) if isinstance(message, str) else message
    text = message["message"] if isinstance(message, dict) else str(message)
    return str(text).strip().rstrip(".")
