"""A package of an extra that is missing is one sentence with the command that installs it."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DISTRIBUTION = "fae-anomaly"
"""Our name on the package index, where `fae` is another project; the name in pyproject.toml."""


class MissingExtraError(ImportError):
    """A package is not installed, because the extra that holds it was not asked for."""


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Surround the imports of what only an extra installs, so that a missing package is an error with its remedy.

    The base installs what training, scoring and predicting need. A command that needs more imports it in its task and
    not at the top of its file: `fae.cli.command.plainly` then shows the error as one sentence.

        with extra("report"):
            from fae.report.page import page

    Args:
        name: an extra of pyproject.toml.

    Raises:
        MissingExtraError: a package is not installed; the message holds the command that installs the extra.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if package == "fae":
            raise  # a defect of ours
        raise MissingExtraError(missing(package, name)) from error


def missing(what: str, extra: str) -> str:
    """The sentence that says which extra brings what is missing, and how to install it."""
    command = shlex.join([python(), "-m", "pip", "install", f"{DISTRIBUTION}[{extra}]"])
    return f'{what} is missing, which comes with the extra "{extra}": {command}'


def python() -> str:
    """The interpreter, as one would type it here."""
    here, path = Path.cwd(), Path(sys.executable)
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
