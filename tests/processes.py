"""Commands and functions in processes of their own, without the seconds that a fresh interpreter needs for imports."""

import multiprocessing
import os
import runpy
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import pytest


class Done(NamedTuple):
    """What a command left: its exit code, negative if a signal ended it, and what it said."""

    returncode: int
    stdout: str
    stderr: str


class Forked:
    """Forks processes off one that has imported what every command needs, and has done nothing else."""

    def __init__(self) -> None:
        self.context = multiprocessing.get_context("forkserver")
        forkserver.set_forkserver_preload(["fae.train", "wandb.cli.cli"])
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("WANDB_MODE", "disabled")  # the processes of `trainer=ddp` keep the server's environment
            forkserver.ensure_running()

    def command(self, module: str, *words: str, seconds: float = 120) -> Done:
        """Run `python -m module words` in the present folder and environment."""
        with tempfile.TemporaryDirectory() as folder:
            said = Path(folder) / "stdout", Path(folder) / "stderr"
            with self.running(main_of, module, words, said=said) as process:
                process.join(seconds)
                assert process.exitcode is not None, f"python -m {module} still runs after {seconds} s"
            return Done(process.exitcode, *(path.read_text() for path in said))

    @contextmanager
    def running(
        self, function: Callable[..., Any], *arguments: Any, said: tuple[Path, Path] = (Path(os.devnull),) * 2
    ) -> Iterator[BaseProcess]:
        """Begin a function of a module in the present folder and environment; its output goes to two files."""
        process = self.context.Process(target=_enter, args=(dict(os.environ), said, function, arguments))
        process.start()
        try:
            yield process
        finally:
            process.kill()
            process.join()

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a function of a module returns in a new process."""
        with ProcessPoolExecutor(1, self.context) as pool:
            return pool.submit(function, *arguments).result()


def main_of(module: str, words: tuple[str, ...]) -> None:
    """Run `python -m module words` in this process."""
    sys.argv = [module, *words]
    if not hasattr(sys.modules.get(module), "__path__"):
        sys.modules.pop(module, None)  # or runpy warns that it is there already
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _enter(environment: dict[str, str], said: tuple[Path, Path], function: Callable[..., Any], arguments: Any) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for descriptor, path in enumerate(said, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    function(*arguments)
