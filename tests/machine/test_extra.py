import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from fae.machine.extra import DISTRIBUTION, MissingExtraError, extra

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]

# An installation of the base alone: the packages of the extras cannot be imported, and Hydra finds no plug-ins.
BASE = """
import runpy, shlex, sys, types
sys.modules |= dict.fromkeys("pandas jinja2 plotly itables joblib submitit cloudpickle wandb_workspaces".split())
sys.modules |= dict.fromkeys("ray pytest selenium hypothesis sklearn skimage zensical mkdocs mkdocstrings".split())
sys.modules["hydra_plugins"] = types.ModuleType("hydra_plugins")
sys.modules["hydra_plugins"].__path__ = []
import fae.train, fae.evaluate, fae.predict, fae.merge, fae.preview, fae.data.check, fae.data.download
for command in sys.argv[1:]:
    sys.argv = shlex.split(command)
    try:
        runpy.run_path(f"{fae.__path__[0]}/{sys.argv[0]}", run_name="__main__")
    except SystemExit as end:
        print(end.code)
"""

NEEDED = {
    "report/__main__.py sweep_dir=.": ("pandas", "report"),
    "dashboard.py": ("wandb_workspaces", "dashboard"),
    "train.py -m seed=0,1 hydra/launcher=joblib": ("hydra-joblib-launcher", "cluster"),
    "train.py -m seed=0,1 hydra/launcher=slurm": ("hydra-submitit-launcher", "cluster"),
}


def test_without_the_extras_commands_import_and_others_say_what_they_need() -> None:
    result = subprocess.run([sys.executable, "-c", BASE, *NEEDED], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout.splitlines() == [
        f'error: {what} is missing; it comes with the extra "{name}": '
        f"{sys.executable} -m pip install '{DISTRIBUTION}[{name}]'"
        for what, name in NEEDED.values()
    ]


def test_a_missing_module_of_ours_is_no_missing_extra() -> None:
    with pytest.raises(ModuleNotFoundError), extra("report"):
        import fae.nowhere  # type: ignore[import-not-found]  # noqa: F401
    with pytest.raises(MissingExtraError, match="nowhere is missing"), extra("report"):
        import nowhere.inside  # type: ignore[import-not-found]  # noqa: F401


def test_names_are_those_of_the_project() -> None:
    assert PROJECT["name"] == DISTRIBUTION
    named = {
        name for path in (ROOT / "fae").rglob("*.py") for name in re.findall(r'with extra\("(.+?)"\)', path.read_text())
    }
    assert named
    assert named <= EXTRAS.keys()
    assert EXTRAS["all"] == [f"{DISTRIBUTION}[{','.join(name for name in EXTRAS if name != 'all')}]"]


def test_every_package_has_a_floor() -> None:
    packages = [*PROJECT["dependencies"], *(one for name in EXTRAS if name != "all" for one in EXTRAS[name])]
    assert not [package for package in packages if ">=" not in package]
