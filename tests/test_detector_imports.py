"""What a service that scores images has to import."""

import subprocess
import sys
from pathlib import Path

SCORE_ONE_IMAGE = """
import sys
from pathlib import Path

import fae

run = Path(sys.argv[1])
image = next((run.parent / "tiny" / "test" / "square").iterdir())
assert fae.load(run)(image).score > 0
print(*sorted({"lightning", "pandas", "matplotlib", "wandb"} & sys.modules.keys()))
"""


def test_a_detector_needs_neither_trainer_nor_tables_nor_plots_nor_tracking(whole: Path) -> None:
    command = [sys.executable, "-c", SCORE_ONE_IMAGE, str(whole)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []
