"""`python -m fae.merge output=OUT` makes one table of all shards of predictions, and says how far each has come."""

import sys
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from fae.cli import command as cli
from fae.prediction.row import TABLE
from fae.prediction.settings import settings_of
from fae.prediction.shard import Shard, state_of_shard
from fae.prediction.table import FORMATS, write_table

NOT_WHOLE = 3
"""The exit code if files could not be scored, or shards are not done."""


def merge(cfg: DictConfig) -> bool:
    """Write one table with one row for each file, in constant memory, and print the state of each shard.

    Args:
        cfg: configuration composed from conf/merge.yaml.

    Returns:
        whether all shards are done, and all of their files were scored.

    Raises:
        ValueError: `output` holds no predictions, `format` is unknown, or a part is damaged.
        OSError: the table cannot be written.
    """
    output = Path(cfg.output)
    formats = [cfg.format] if isinstance(cfg.format, str) else list(cfg.format or ())
    if not formats or not set(formats) <= FORMATS.keys():
        raise ValueError(f"format (={cfg.format}) must be {' or '.join(FORMATS)}, or a list of them")
    shards = settings_of(output).get("shard.count")
    if not isinstance(shards, int):
        raise ValueError(f"output (={output}) holds predictions of an older version; predict into another folder")
    states = [_state(output / Shard(shards, index).name) for index in range(shards)]
    counts = write_table(output, shards, formats)
    for index, (state, count) in enumerate(zip(states, counts, strict=True)):
        print(f"shard {index} of {shards}: {state}, {count.rows} row(s), {count.failed} of them of files that failed")
    rows, failed = sum(count.rows for count in counts), sum(count.failed for count in counts)
    written = " and ".join(str(output / f"{TABLE}.{kind}") for kind in formats)
    print(f"{rows} image(s), {failed} of them could not be scored; the results are in {written}", flush=True)
    open_ = [str(index) for index, state in enumerate(states) if state != _DONE]
    if open_:
        print(f"NOTE: {_missing(open_, shards)}", flush=True)
    return not failed and not open_


_DONE = "done"


def _state(folder: Path) -> str:
    if not folder.is_dir():
        return "missing"
    return "interrupted, or still running" if state_of_shard(folder) is None else _DONE


def _missing(open_: Sequence[str], shards: int) -> str:
    several = " -m" if len(open_) > 1 else ""
    return (
        f"{len(open_)} shard(s) of {shards} are not done; repeat their commands: fae.predict{several} … "
        f"shard.count={shards} shard.index={','.join(open_)}"
    )


def main() -> None:
    """Entry point of `fae-merge`; exit code 3 if files could not be scored, or shards are not done."""
    is_whole = True

    def task(cfg: DictConfig) -> None:
        nonlocal is_whole
        is_whole &= merge(cfg)

    cli.run(task, "merge")
    if not is_whole:
        sys.exit(NOT_WHOLE)


if __name__ == "__main__":
    main()
