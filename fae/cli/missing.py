"""Keys and groups that a command needs and does not have."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

_INSTEAD = {"logger": "; logger.mode=disabled or WANDB_MODE=disabled switches W&B off"}
"""What a user who takes a group away may mean, for the error message."""


def check_groups(words: Sequence[str], folder: Path) -> None:
    """Refuse `group=null`, which Hydra does not explain.

    Args:
        words: words of the command line.
        folder: folder of the configuration tree.

    Raises:
        ValueError: a word sets a group to nothing.
    """
    for word in words:
        key, equals, value = word.partition("=")
        if equals and value in ("", "null") and (choices := _choices(folder, key)):
            raise ValueError(f"{word} names no configuration; {_remedy(key, choices)}")


def check_missing(cfg: DictConfig, folder: Path) -> None:
    """Check that all keys without a default are set.

    Args:
        cfg: composed configuration.
        folder: folder of the configuration tree.

    Raises:
        ValueError: some are not.
    """
    missing = sorted(_missing(cfg, ""))
    for key in missing:
        if choices := _choices(folder, key):
            raise ValueError(f"{key} is missing; {_remedy(key, choices)}")
    if missing:
        is_ = "is" if len(missing) == 1 else "are"
        raise ValueError(f"{', '.join(missing)} {is_} missing; write {' '.join(f'{key}=VALUE' for key in missing)}")


def _missing(node: DictConfig, path: str) -> Iterator[str]:
    for key in map(str, node):
        if OmegaConf.is_interpolation(node, key):
            continue  # what it reads tells
        if OmegaConf.is_missing(node, key):
            yield path + key
        elif isinstance(node[key], DictConfig):
            yield from _missing(node[key], f"{path}{key}.")


def _choices(folder: Path, group: str) -> list[str]:
    return sorted(path.stem for path in Path(folder, group).glob("*.yaml")) if group else []


def _remedy(group: str, choices: Sequence[str]) -> str:
    return f"leave {group} as it is, or choose one of {', '.join(choices)}{_INSTEAD.get(group, '')}"
