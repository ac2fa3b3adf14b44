"""The runtime in an environment that holds nothing else."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import fae
from tests.runtime.exported import of_fae, write_export
from tests.runtime.test_read import SAME

PROJECT = Path(fae.__file__).parents[1]
SCORE = """
import json, sys
from fae_runtime import Detector
try:
    import torch
except ModuleNotFoundError:
    detector = Detector.load(sys.argv[1], threads=1)
    print(json.dumps([detector(path).score for path in sys.argv[2:]]))
"""


@pytest.mark.slow
def test_it_installs_without_torch_and_scores_files(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "empty"], cwd=tmp_path, check=True)
    python = tmp_path / "empty" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--constraint", PROJECT / "requirements.lock"]
    subprocess.run([*install, PROJECT / "runtime"], check=True)
    files = []
    for kind in ("jpeg-420", "jpg-turned-6", "png-alpha", "png-16-grey", "tiff-tiff_lzw"):
        (tmp_path / kind).mkdir()
        files.append(SAME[kind](tmp_path / kind))
    command = [python, "-I", "-c", SCORE, write_export(tmp_path / "export"), *files]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    detector = of_fae()
    assert json.loads(result.stdout) == [detector(file).score for file in files]
