"""`python -m fae.predict`: find and locate defects in files, folders and globs."""

import csv
import glob
import io
import itertools
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import cv2
import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from tqdm import tqdm

from fae.cli import command as cli
from fae.data.memo import state_of
from fae.detector import Detection, Detector, load
from fae.image import all_images_in
from fae.machine.atomic import whole, write_text
from fae.machine.lock import locked
from fae.picture.panel import outline, overlay
from fae.run.folder import METRICS

BAD_FILES = 3
"""The exit code if some files could not be scored."""

_TABLE, _SETTINGS = "predictions.csv", "settings.json"


class Row(NamedTuple):
    """A line of predictions.csv; a value that does not apply is left empty."""

    path: str
    score: float | None = None
    anomalous: bool | None = None
    area: int | None = None
    """The number of the image's own pixels that lie above the threshold."""
    regions: int | None = None
    left: int | None = None
    """The left edge of the largest region's box, in px; its top edge, width and height follow."""
    top: int | None = None
    width: int | None = None
    height: int | None = None
    error: str | None = None
    file: str | None = None
    """Size, times of change (ns) and number (inode) of the file that was scored: another file is scored again."""


def predict(cfg: DictConfig) -> int:
    """Score all files, one at a time; a repeated command goes on where the previous one stopped.

    A file that has changed since it was scored is scored again.

    Args:
        cfg: configuration composed from conf/predict.yaml.

    Returns:
        the number of files that could not be scored; `predictions.csv` holds the reasons.

    Raises:
        ValueError: a value is wrong, or `output` holds predictions that were made with other settings.
        OSError: a file is missing or cannot be written.
    """
    output = Path(cfg.output)
    inputs = [cfg.input] if isinstance(cfg.input, str | int | float | None) else list(cfg.input)
    files, root = _files([str(name) for name in inputs if name is not None], output)
    if output.is_dir() and not (output / _SETTINGS).is_file() and any(p.name[0] != "." for p in output.iterdir()):
        raise ValueError(f"output (={output}) holds other files and no predictions; choose another folder")
    detector = load(cfg.run_dir, cfg.evaluation, cfg.size, cfg.tile, cfg.overlap, cfg.device)
    for kind, what in (("image", "no decisions are made"), ("pixel", "no masks, areas and boxes are written")):
        if cfg.threshold[kind] is not None:
            setattr(detector, f"{kind}_threshold", float(cfg.threshold[kind]))
        elif getattr(detector, f"{kind}_threshold") is None:
            why = "the run's threshold is for resized images, and does not hold with size=native"
            if not detector.rescaled:
                why = _undefined(Path(cfg.run_dir), cfg.evaluation, kind)
            print(f"NOTE: {what}: {why}; or set threshold.{kind} yourself", flush=True)
    wanted = [name for name in ("map", "mask", "overlay") if cfg.write[name]]
    with locked(output, "output"), _table(output, _settings(cfg, detector, root)) as (done, file):
        writer = csv.writer(file)
        for path in tqdm(files, unit="image", disable=not sys.stderr.isatty()):
            file_now = _file(path)
            if done.get(str(path), (None, True))[0] != file_now:
                row = _one(path, detector, output, path.relative_to(root), wanted)._replace(file=file_now)
                done[str(path)] = file_now, row.error is not None
                writer.writerow(["" if value is None else value for value in row])
                file.flush()
        bad = sum(done[str(path)][1] for path in files)
    print(f"{len(files)} image(s), {bad} of them could not be scored; the results are in {output / _TABLE}", flush=True)
    return bad


def _file(path: Path) -> str:
    return state_of(path) if path.exists() else ""


def _unchanged(row: dict[str, str]) -> bool:
    """Return whether a scored file is as it was, or is gone."""
    return _file(Path(row["path"])) in ("", row.get("file"))


def _undefined(run_dir: Path, evaluation: str | None, kind: str) -> str:
    """Return why a run, or one of its evaluations, has no threshold, and what helps."""
    path = run_dir / METRICS if evaluation is None else run_dir / "evaluation" / f"{evaluation}.json"
    metrics = json.loads(path.read_text()) if path.is_file() else {}
    return str(metrics.get(f"{kind}_threshold_undefined", "the run has no threshold"))


def _files(inputs: Sequence[str], output: Path) -> tuple[list[Path], Path]:
    """Return each file once, and the folder that all inputs lie in; files in `output` are no inputs."""
    found: dict[Path, None] = {}
    roots = []
    for name in inputs:
        path = Path(os.path.abspath(name))
        if path.is_dir():
            roots.append(path)
            some = all_images_in(path)
        elif path.is_file():
            roots.append(path.parent)
            some = [path]
        else:
            fixed = itertools.takewhile(lambda part: not glob.has_magic(part), path.parts)
            roots.append(Path(*fixed))
            some = [Path(match) for match in sorted(glob.glob(str(path), recursive=True)) if Path(match).is_file()]
        some = [file for file in some if not file.is_relative_to(os.path.abspath(output))]
        if not some:
            raise FileNotFoundError(
                f"input (={name}) is no file, no folder with images and no glob that matches a file; files in output "
                "do not count"
            )
        found |= dict.fromkeys(some)
    if not found:
        raise ValueError("input must name a file, a folder or a glob; it names none")
    return list(found), Path(os.path.commonpath(roots))


def _one(path: Path, detector: Detector, output: Path, name: Path, wanted: Sequence[str]) -> Row:
    try:
        image = detector.read(path).rgb
        found = detector(image)
    except (ValueError, OSError) as error:
        return Row(str(path), error=str(error))
    except (RuntimeError, MemoryError) as error:  # decoders and devices raise these, e.g. if an image is too large
        return Row(str(path), error=f"{type(error).__name__}: {error}")
    for kind in wanted:
        picture = _picture(kind, image, found, detector.colour_limit)
        if picture is not None:
            suffix, saved = ("tiff", "TIFF") if kind == "map" else ("png", "PNG")
            target = output / f"{kind}s" / name.parent / f"{name.name}.{suffix}"
            target.parent.mkdir(parents=True, exist_ok=True)
            with whole(target) as draft:
                picture.save(draft, format=saved)
    row = Row(str(path), found.score, found.anomalous)
    if found.mask is None:
        return row
    count, _, stats, _ = cv2.connectedComponentsWithStats(found.mask.astype(np.uint8), connectivity=8)
    row = row._replace(area=int(found.mask.sum()), regions=count - 1)
    if count == 1:
        return row
    left, top, width, height, _ = (int(value) for value in stats[1 + stats[1:, cv2.CC_STAT_AREA].argmax()])
    return row._replace(left=left, top=top, width=width, height=height)


def _picture(kind: str, image: NDArray[np.uint8], found: Detection, limit: float) -> Image.Image | None:
    if kind == "map":
        return Image.fromarray(found.anomaly_map)
    if kind == "mask":
        return None if found.mask is None else Image.fromarray(found.mask.astype(np.uint8) * 255)
    over = overlay(image, found.anomaly_map, limit)
    if found.mask is not None:
        outline(over, found.mask)
    return Image.fromarray(over)


def _settings(cfg: DictConfig, detector: Detector, root: Path) -> dict[str, Any]:
    """Return the settings that determine the predictions; a folder holds predictions of only one such set."""
    plain = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(plain, dict)
    kept = {str(key): value for key, value in plain.items() if key not in ("input", "output", "device")}
    if cfg.overlap is None:
        del kept["tile"]  # exact tiles only change the need for memory
    return kept | {
        "run_dir": Path(cfg.run_dir).name,
        "root": str(root),
        "detector": detector.identity,
        "thresholds": [detector.image_threshold, detector.pixel_threshold],
    }


@contextmanager
def _table(output: Path, settings: dict[str, Any]) -> Iterator[tuple[dict[str, tuple[str, bool]], TextIO]]:
    """Yield the files scored so far, each with its state and whether it failed, and a draft of the new table."""
    described, final, draft = output / _SETTINGS, output / _TABLE, output / f".{_TABLE}.part"
    if described.is_file():
        before = json.loads(described.read_text())
        changed = sorted(key for key in before.keys() | settings.keys() if before.get(key) != settings.get(key))
        if changed:
            raise ValueError(
                f"output (={output}) holds predictions with other settings ({', '.join(changed)}); choose another "
                "folder"
            )
    else:
        write_text(described, json.dumps(settings, indent=2) + "\n")
    rows: list[dict[str, str]] = []
    for before in (draft, final):
        if before.is_file():
            rows = _whole_lines(before)
            break
    # Files that could not be scored are tried again, because somebody may have mended them; changed files, too.
    kept = {row["path"]: row for row in rows if not row["error"] and _unchanged(row)}
    with whole(draft) as clean, clean.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.DictWriter(file, Row._fields)
        writer.writeheader()
        writer.writerows(kept.values())
    with draft.open("a", newline="", encoding="utf-8", errors="surrogateescape") as file:
        yield {path: (row.get("file") or "", False) for path, row in kept.items()}, file
    draft.replace(final)


def _whole_lines(path: Path) -> list[dict[str, str]]:
    """Return a table's rows without an incomplete line that a killed process may have left at its end."""
    text = path.read_bytes()
    whole_text = text[: text.rfind(b"\n") + 1].decode("utf-8", errors="surrogateescape")
    return list(csv.DictReader(io.StringIO(whole_text, newline="")))


def main() -> None:
    """Entry point of `fae-predict`; exit code 3 if some files could not be scored."""
    bad = 0

    def task(cfg: DictConfig) -> None:
        nonlocal bad
        bad += predict(cfg)

    cli.run(task, "predict")
    if bad:
        sys.exit(BAD_FILES)


if __name__ == "__main__":
    main()
