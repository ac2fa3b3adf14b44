"""Start of several processes for one run on one machine, if neither torchrun nor srun has started them."""

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
    """Call a function in several new processes, which find each other by PyTorch's environment variables.

    If one process dies, PyTorch ends the others. A signal is passed on to all of them.

    Args:
        count: number of processes.
        function: function that its module holds by name, decorated with PyTorch's `record`.
        arguments: plain values that the function is called with.
        scratch: folder in which the processes record their failures; it is emptied before and removed afterwards.

    Returns:
        the value that the function returned in the first process.

    Raises:
        ValueError: a process raised a ValueError, whose message is kept.
        ChildProcessError: a process failed in another way; the message names the cause.
        SystemExit: a signal stopped the processes.
    """
    shutil.rmtree(scratch, ignore_errors=True)  # a killed run may have left it
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
        # The processes are forked from a server process that has imported the module and uses no GPU yet: the imports
        # take seconds, and happen only once.
        start_method="forkserver",
    )
    spec = sys.modules[function.__module__].__spec__
    if spec is not None:  # the spec holds the module's name even if it runs as __main__
        multiprocessing.set_forkserver_preload([spec.name])
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("torch.distributed.elastic"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # its messages are raised as errors, too
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
    """Return the text of a failure as PyTorch records it: JSON for an exception, words for a signal."""
    with suppress(json.JSONDecodeError):
        message = json.loads(message) if isinstance(message, str) else message
    text = message["message"] if isinstance(message, dict) else str(message)
    return str(text).strip().rstrip(".")
