"""The command `python -m fae.predict`, and the exit code of all of its processes."""

import sys

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from fae.cli import command as cli
from fae.cli.sweep import recorded, sweeping
from fae.predict.command import predict
from fae.predict.multirun import BAD_FILES, tell


def main() -> None:
    """Entry point of `fae-predict`; exit code 3 if some files could not be scored, in whatever process."""
    bad = 0

    def task(cfg: DictConfig) -> None:
        nonlocal bad
        found = predict(cfg)
        if HydraConfig.get().mode is RunMode.MULTIRUN:
            tell(found)
        else:
            bad = found

    with sweeping():
        cli.run(task, "predict", recorded)
    if bad:
        sys.exit(BAD_FILES)


if __name__ == "__main__":
    main()
