"""The finished run that a run goes on from: its command line, its weights, its images and its results."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from fae.cli.schema import conf_dir
from fae.cli.words import key_of, override, value_of
from fae.data.module import DataModule
from fae.network import Network
from fae.run.folder import METRICS, ORIGIN, finished_config
from fae.run.identity import identity, resolved
from fae.run.network import checkpoint_of, read_weights

SCORES = "scores.csv"
PARENT_COLUMNS = ("parent_score", "parent_anomaly_percent")
"""The columns that scores.csv has beside the run's own."""

_CONTINUE, _EXTRA = "continue_from", "data.extra"
_SPLIT = ("seed", "val_fraction", "folds", "fold", "group")
"""The keys of `data` that decide which images are held out."""
_SHOWN = (
    *("image_auroc", "image_average_precision", "pixel_auroc", "aupro_0.3", "pixel_average_precision"),
    *("image_threshold", "image_false_alarms", "image_detections", "pixel_false_alarms", "pixel_detections"),
)
_MACHINE = "trainer.precision"  # the run writes down what "auto" became


class Parent(NamedTuple):
    """What the run that another one goes on from found in the same test images."""

    facts: dict[str, Any]
    """Entries for metrics.json."""
    scores: Sequence[tuple[str, ...]]
    """The values of `PARENT_COLUMNS` for each test image; empty if the run's table of scores is gone."""


def continued(words: Sequence[str]) -> list[str]:
    """Let a command line with `continue_from=RUN` begin with the words of that run; later words replace earlier ones.

    Folders of `data.extra` come after those of the run, so that nothing that it has learned from is left out. One of
    them may stand for a folder of the run that is gone: `go_on` compares what they hold.

    Args:
        words: words of the command line, from `fae.cli.words.as_typed`.

    Raises:
        ValueError: there is no such finished run, or its words do not make its configuration any more.
    """
    given = {key_of(word): word for word in words}
    run_dir = value_of(given[_CONTINUE]) if _CONTINUE in given else None
    if run_dir is None:
        return list(words)
    folder = Path(str(run_dir))
    run, metrics = _finished(folder)
    before = [str(word) for word in metrics.get("overrides", [])]
    _check_words(folder, before, run)
    before = [word for word in before if key_of(word) not in given]
    if _EXTRA not in given:
        return [*before, *words]
    old = [name for name in _folders(run.data.get("extra")) if Path(name).is_dir()]
    folders = dict.fromkeys([*old, *_folders(value_of(given[_EXTRA]))])
    extra = ",".join(override("", name)[1:] for name in folders)
    return [*before, *(word for word in words if word != given[_EXTRA]), f"{_EXTRA}=[{extra}]"]


def _finished(folder: Path) -> tuple[DictConfig, dict[str, Any]]:
    try:
        run = finished_config(folder)
    except ValueError as error:
        raise ValueError(f"{_CONTINUE} (={folder}) names no run to go on from: {error}") from error
    return run, json.loads((folder / METRICS).read_text(encoding="utf-8"))


def _folders(extra: Any) -> list[str]:
    return [str(extra)] if isinstance(extra, str) else [str(one) for one in extra or ()]


def _check_words(folder: Path, words: list[str], run: DictConfig) -> None:
    if any(word.startswith("-") for word in words):
        return  # --config-dir brings leaves of the user's own, which only the command itself finds
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        now = identity(resolved(compose("train", words)))
    was = identity(resolved(run))
    if other := sorted(key for key in now.keys() | was.keys() if now.get(key) != was.get(key) and key != _MACHINE):
        raise ValueError(
            f"{_CONTINUE} (={folder}) was begun with {' '.join(words) or 'no words'}, which does not make its "
            f"configuration: {', '.join(f'{key} {was.get(key)} → {now.get(key)}' for key in other[:3])}; train it "
            "again with this version"
        )


def go_on(folder: Path, cfg: DictConfig, data: DataModule, network: Network) -> Parent:
    """Take over what a finished run has learned: weights and statistics; the head looks at the training images itself.

    Args:
        folder: folder of the run.
        cfg: configuration of the run that goes on.
        data: its data module after `setup`.
        network: its network, which is changed.

    Raises:
        ValueError: there is no such run; its images, or the rule of their split, are not those of now, to which
            `data.extra` may add; or it has no weights for this network.
    """
    run, metrics = _finished(folder)
    _check_split(folder, run, cfg, data)
    if metrics["test_images"] != len(data.test.samples):
        raise ValueError(
            f"{_CONTINUE} (={folder}) judged {metrics['test_images']} test images, and this run judges "
            f"{len(data.test.samples)}, which cannot be compared; leave data.image_size and data.aspect as they were"
        )
    try:
        checkpoint = checkpoint_of(folder)
    except FileNotFoundError as error:
        raise ValueError(f"{_CONTINUE} (={folder}) has no weights: {error}") from error
    try:
        read_weights(network, checkpoint)
    except ValueError as error:
        raise ValueError(
            f"{_CONTINUE} (={folder}) has no weights for this run: {error}; leave out the words that change space, "
            "model or head"
        ) from error
    network.head.forget()
    facts = {f"parent_{key}": metrics[key] for key in _SHOWN if metrics.get(key) is not None}
    return Parent({"parent": folder.resolve().name} | facts, _scores(folder / SCORES, len(data.test.samples)))


def _check_split(folder: Path, run: DictConfig, cfg: DictConfig, data: DataModule) -> None:
    """Check that nothing is held out now that a run has learned from: it would make the thresholds too low."""
    for key in _SPLIT:
        if (was := run.data.get(key)) != (now := cfg.data.get(key)):
            raise ValueError(
                f"data.{key} (={now}) was {was} in {_CONTINUE} (={folder}), and decides which images are held out; "
                f"leave it as it was, or train without {_CONTINUE}"
            )
    before = len(_folders(run.data.get("extra")))
    fingerprint = json.loads((folder / ORIGIN).read_text(encoding="utf-8"))["fingerprint"]
    if before >= len(data.identities) or data.identities[before].fingerprint != fingerprint:
        raise ValueError(
            f"{_CONTINUE} (={folder}) was trained on other images than those of data.root and data.extra now; put new "
            f"images into a folder of their own, {_EXTRA}=FOLDER, and leave the others, the test images and data.roi "
            "as they were"
        )


def _scores(path: Path, count: int) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            rows = [(row["score"], row.get("anomaly_percent", "")) for row in csv.DictReader(file)]
    return rows if len(rows) == count else [("",) * len(PARENT_COLUMNS)] * count
