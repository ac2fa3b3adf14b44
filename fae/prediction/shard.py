"""A shard: the share of the files that one of several processes or machines scores, and how far it has come."""

import json
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from fae.machine.atomic import write_text

_STATE = "state.json"


@dataclass(frozen=True)
class Shard:
    """One of `count` shards.

    The files belong to shards by a hash of their absolute paths, links not followed. So all shards of one command agree
    without speaking to each other, on any machine that sees the files under the same paths.

    Raises:
        ValueError: `count` or `index` is out of range.
    """

    count: int = 1
    index: int = 0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"shard.count (={self.count}) must be at least 1; 1 takes all files")
        if not 0 <= self.index < self.count:
            raise ValueError(
                f"shard.index (={self.index}) must lie between 0 and shard.count - 1 (={self.count - 1}); shards are "
                "counted from 0"
            )

    @property
    def name(self) -> str:
        """The name of its folder in the output."""
        return f"shard-{self.index:03d}-of-{self.count:03d}"

    def holds(self, path: bytes) -> bool:
        """Return whether a file with this absolute path belongs to the shard."""
        return int.from_bytes(blake2b(path, digest_size=8).digest(), "big") % self.count == self.index


class State(NamedTuple):
    """The last call of a shard that came to its end."""

    files: int
    """The number of its files."""
    failed: int
    """The number of files that could not be scored."""


def write_state(folder: Path, state: State) -> None:
    """Mark the folder of a shard as done."""
    write_text(folder / _STATE, json.dumps(state._asdict(), indent=2) + "\n")


def begin(folder: Path) -> None:
    """Mark the folder of a shard as not done."""
    (folder / _STATE).unlink(missing_ok=True)


def state_of_shard(folder: Path) -> State | None:
    """Return the state of a shard; None if it is not done: it was not begun, was interrupted, or still runs.

    Raises:
        ValueError: the file that holds the state is broken.
    """
    path = folder / _STATE
    if not path.is_file():
        return None
    try:
        return State(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is broken ({error}); delete it, then repeat the shard's command") from error
