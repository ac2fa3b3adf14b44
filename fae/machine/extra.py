"""If a package of an extra is missing, the user reads one sentence with the command that installs it."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DISTRIBUTION = "fae-anomaly"
"""The name of this project in pyproject.toml and on the package index, where `fae` is another project."""


class MissingExtraError(ImportError):
    """A package is missing, because the extra that brings it is not installed."""


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Turn the failed import of a package that an extra brings into an error with its remedy.

    The base installs what training, scoring and predicting need. A command that needs further packages imports them in
    its task, not at the top of its file: `fae.cli.command.plainly` then shows the error as one sentence.

        with extra("report"):
            from fae.report.page import page

    Args:
        name: name of an extra in pyproject.toml.

    Raises:
        MissingExtraError: a package is not installed; the message holds the command that installs the extra.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if package == "fae":
            raise  # a defect of this package
        raise MissingExtraError(missing(package, name)) from error


def missing(what: str, extra: str) -> str:
    """Return the sentence that names the extra that brings a missing package, and the command that installs it."""
    command = shlex.join([python(), "-m", "pip", "install", f"{DISTRIBUTION}[{extra}]"])
    return f'{what} is missing; it comes with the extra "{extra}": {command}'


def python() -> str:
    """Return the path of the interpreter, relative to the working directory if it lies inside it."""
    here, path = Path.cwd(), Path(sys.executable)
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
