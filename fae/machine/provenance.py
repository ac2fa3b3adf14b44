"""The machine, the versions and the commit that a number was measured with."""

import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import fae

_PACKAGES = ("fae", "torch", "lightning", "kornia", "numpy", "opencv-python-headless")


def environment(device: torch.device, packages: Sequence[str] = _PACKAGES) -> dict[str, Any]:
    """Return flat facts for metrics.json: device, threads, Python's version and the versions of the packages."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = torch.cpu.get_capabilities().get("cpu_name") or platform.processor() or platform.machine()
    return {
        "device": f"{device.type} ({name})",
        "threads": torch.get_num_threads(),
        "python_version": platform.python_version(),
    } | {f"{package.replace('-', '_')}_version": _version(package) for package in packages}


def _version(package: str) -> str:
    return fae.__version__ if package == "fae" else version(package)  # its distribution has another name


def git_commit() -> str | None:
    """Return the commit of the code, with "+changes" if tracked files differ from it; None outside a checkout."""
    checkout = Path(__file__).resolve().parents[2]

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(checkout), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")) != checkout:
            return None  # the package is installed inside another project's checkout
        changes = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "HEAD") + ("+changes" if changes else "")
    except (OSError, subprocess.SubprocessError):
        return None
