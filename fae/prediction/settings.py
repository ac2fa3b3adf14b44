"""The settings that a folder of predictions was made with; all shards share them."""

import json
from pathlib import Path
from typing import Any

from fae.machine.atomic import write_text
from fae.machine.lock import locked

_FILE = "settings.json"
_PATIENCE_S = 60.0
"""The time for which a shard waits for others that begin at the same moment."""


def check_output(output: Path) -> None:
    """Refuse a folder of other things.

    Raises:
        ValueError: the folder holds files, but no predictions.
    """
    if output.is_dir() and not (output / _FILE).is_file() and any(path.name[0] != "." for path in output.iterdir()):
        raise ValueError(f"output (={output}) holds other files and no predictions; choose another folder")


def settle(output: Path, settings: dict[str, Any]) -> None:
    """Write the settings into a new folder, or compare them with those of an old one.

    Raises:
        ValueError: the folder's predictions were made with other settings.
        OSError: the folder cannot be written.
    """
    with locked(output, "output", _PATIENCE_S):
        if not (output / _FILE).is_file():
            write_text(output / _FILE, json.dumps(settings, indent=2) + "\n")
            return
        before = settings_of(output)
    changed = sorted(key for key in before.keys() | settings.keys() if before.get(key) != settings.get(key))
    if changed:
        raise ValueError(
            f"output (={output}) holds predictions with other settings ({', '.join(changed)}); choose another folder"
        )


def settings_of(output: Path) -> dict[str, Any]:
    """Return the settings of a folder of predictions.

    Raises:
        ValueError: the folder holds no predictions, or its settings are broken.
    """
    try:
        found = json.loads((output / _FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(
            f"output (={output}) holds no predictions of fae.predict; name the folder that it wrote"
        ) from error
    except ValueError as error:
        raise ValueError(f"{output / _FILE} is broken ({error}); predict into another folder") from error
    if not isinstance(found, dict):
        raise ValueError(f"{output / _FILE} is broken, as it holds no settings; predict into another folder")
    return found
