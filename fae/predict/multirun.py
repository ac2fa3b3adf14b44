"""Several shards by one command: what became of the files reaches the process that began the others."""

import shutil
import sys
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from fae.cli.sweep import Sweep
from fae.machine.atomic import write_text

BAD_FILES = 3
"""The exit code if some files could not be scored."""

_TOLD = "bad-files-of-job-"


def tell(bad: int) -> None:
    """Leave the number of a job's files that could not be scored for the process that began the job."""
    hydra = HydraConfig.get()
    if bad:
        write_text(Path(hydra.sweep.dir) / f"{_TOLD}{hydra.job.num}", f"{bad}\n")


class Multirun(Sweep):
    """Sets the exit code of a multirun: 1 if a job failed, or else 3 if some files could not be scored."""

    def on_multirun_end(self, config: DictConfig, **others: Any) -> None:
        """List the failed jobs, and say how many files could not be scored.

        Raises:
            SystemExit: a job failed, or some files could not be scored.
        """
        super().on_multirun_end(config, **others)
        folder = Path(config.hydra.sweep.dir)
        told = list(folder.glob(f"{_TOLD}*"))
        bad = sum(int(path.read_text()) for path in told)
        for path in told:
            path.unlink()
        if {path.name for path in folder.iterdir()} <= {".lock", "multirun.yaml"}:  # a launcher's logs would stay
            shutil.rmtree(folder)
        if bad:
            print(f"{bad} image(s) of all jobs could not be scored", flush=True)
            sys.exit(BAD_FILES)
