"""`python -m fae.predict`: find and locate defects in files, folders and globs."""

import csv
import glob
import json
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

from fae import cli
from fae.detector import Detection, Detector, load
from fae.files import whole, write_text
from fae.heatmap import colours, outline
from fae.image import images_in, read_image
from fae.run_folder import locked

BAD_FILES = 3
"""Exit code when some files could not be scored."""

_TABLE, _SETTINGS = "predictions.csv", "settings.json"


class Row(NamedTuple):
    """A line of predictions.csv; empty where it does not apply."""

    path: str
    score: float | None = None
    anomalous: bool | None = None
    area: int | None = None
    """Pixels above the threshold, in the image's own pixels."""
    regions: int | None = None
    left: int | None = None
    """Of the largest region's box, and so on."""
    top: int | None = None
    width: int | None = None
    height: int | None = None
    error: str | None = None


def predict(cfg: DictConfig) -> int:
    """Score every file once, one at a time; repeating the command goes on where it stopped.

    Args:
        cfg: composed from conf/predict.yaml.

    Returns:
        how many files could not be scored; `predictions.csv` says why.

    Raises:
        ValueError: a value is wrong, or `output` holds predictions made otherwise.
        OSError: a file is missing or cannot be written.
    """
    files, root = _files([cfg.input] if isinstance(cfg.input, str) else list(cfg.input))
    detector = load(cfg.run_dir, cfg.evaluation, cfg.size, cfg.tile, cfg.overlap, cfg.device)
    for kind in ("image", "pixel"):
        if cfg.threshold[kind] is not None:
            setattr(detector, f"{kind}_threshold", float(cfg.threshold[kind]))
    for kind, what in (("image", "no decision"), ("pixel", "no masks, areas and boxes")):
        if getattr(detector, f"{kind}_threshold") is None:
            print(
                f"NOTE: {what}: {cfg.run_dir} has too few held-out normals for a threshold of {kind}s; set "
                f"threshold.{kind}, or evaluate it with another threshold.{kind}_rate or calibration",
                flush=True,
            )
    output = Path(cfg.output)
    wanted = [name for name in ("map", "mask", "overlay") if cfg.write[name]]
    with locked(output), _table(output, _settings(cfg, detector)) as (done, file):
        writer = csv.writer(file)
        for path in tqdm(files, unit="image", disable=not sys.stderr.isatty()):
            if str(path) not in done:
                row = _one(path, detector, output, path.relative_to(root), wanted)
                done[str(path)] = row.error is not None
                writer.writerow(["" if value is None else value for value in row])
                file.flush()
        bad = sum(done[str(path)] for path in files)
    print(f"{len(files)} image(s), {bad} of them could not be scored; results in {output / _TABLE}", flush=True)
    return bad


def _files(inputs: Sequence[str]) -> tuple[list[Path], Path]:
    """All files, each once, and the folder that they have in common."""
    found: dict[Path, None] = {}
    for name in inputs:
        path = Path(name)
        if path.is_dir():
            folders = [path, *sorted(p for p in path.rglob("*") if p.is_dir() and not p.name.startswith("."))]
            some = [file for folder in folders for file in images_in(folder)]
        elif path.is_file():
            some = [path]
        else:
            some = [Path(match) for match in sorted(glob.glob(name, recursive=True)) if Path(match).is_file()]
        if not some:
            raise FileNotFoundError(f"input (={name}) is no file, no folder with images and no glob that matches any")
        found |= dict.fromkeys(some)
    files = list(found)
    absolute = [file.absolute().parent for file in files]
    root = absolute[0]
    while not all(folder.is_relative_to(root) for folder in set(absolute)):
        root = root.parent
    return [file.absolute() for file in files], root


def _one(path: Path, detector: Detector, output: Path, name: Path, wanted: Sequence[str]) -> Row:
    try:
        image = read_image(path)
        found = detector(image)
    except ValueError as error:
        return Row(str(path), error=str(error))
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
    _, overlay = colours(image, found.anomaly_map, limit)
    if found.mask is not None:
        outline(overlay, found.mask)
    return Image.fromarray(overlay)


def _settings(cfg: DictConfig, detector: Detector) -> dict[str, Any]:
    """What determines the predictions, so that a folder holds those of one detector alone."""
    plain = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(plain, dict)
    kept = {str(key): value for key, value in plain.items() if key not in ("input", "output", "device", "tile")}
    kept["run_dir"] = Path(cfg.run_dir).name
    return kept | {
        "weights": detector.weights,
        "thresholds": [detector.image_threshold, detector.pixel_threshold],
    }


@contextmanager
def _table(output: Path, settings: dict[str, Any]) -> Iterator[tuple[dict[str, bool], TextIO]]:
    """The table so far, path to whether it is bad, and a draft to add to, which takes its place when all is done."""
    described, final, draft = output / _SETTINGS, output / _TABLE, output / f".{_TABLE}.part"
    if described.is_file():
        before = json.loads(described.read_text())
        changed = sorted(key for key in before.keys() | settings.keys() if before.get(key) != settings.get(key))
        if changed:
            raise ValueError(
                f"output (={output}) holds predictions made otherwise ({', '.join(changed)}); choose another folder"
            )
    elif any(not path.name.startswith(".") for path in output.iterdir()):
        raise ValueError(f"output (={output}) holds other files and no predictions; choose another folder")
    else:
        write_text(described, json.dumps(settings, indent=2) + "\n")
    done: dict[str, bool] = {}
    if not draft.is_file() and final.is_file():
        draft.write_bytes(final.read_bytes())
    if draft.is_file():
        _drop_torn_line(draft)
        with draft.open(newline="", encoding="utf-8") as file:
            done = {row["path"]: bool(row["error"]) for row in csv.DictReader(file)}
    with draft.open("a", newline="", encoding="utf-8") as file:
        if file.tell() == 0:
            csv.writer(file).writerow(Row._fields)
        yield done, file
    draft.replace(final)


def _drop_torn_line(path: Path) -> None:
    """A killed process may leave half a line behind."""
    with path.open("rb+") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)


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
