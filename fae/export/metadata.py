"""metadata.json, which holds all that lies between a file and its decision, and README.txt of an export."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import fae
from fae.export.contract import TOLERANCE
from fae.export.source import Source
from fae.machine.provenance import git_commit
from fae.run.folder import ORIGIN
from fae.run.identity import objective_name
from fae.run.network import checkpoint_of
from fae_runtime.export import ROI

METADATA, README = "metadata.json", "README.txt"
FORMAT = 1
_PACKAGES = ("torch", "onnx", "onnxruntime", "openvino")


def sha256(path: Path) -> str:
    """Return the SHA-256 digest of a file in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def versions(*more: str) -> dict[str, str]:
    """Return the versions of fae and of the packages that an export depends on."""
    return {"fae": fae.__version__} | {package: version(package) for package in (*_PACKAGES, *more)}


def run_facts(source: Source) -> dict[str, Any]:
    """Return what was exported: which runs, trained by which code on which images."""
    run, cfg = source.run, source.run.cfg
    origin = json.loads((run.run_dir / ORIGIN).read_text())
    return {
        "name": run.run_dir.resolve().name,
        "git_commit": (origin.get("git_commits") or [None])[-1],
        "exported_by": git_commit(),
        "dataset": run.data.identity.dataset.rpartition(":")[2].rpartition("/")[2],
        "fingerprint": run.data.identity.fingerprint,
        "weights": {one.run_dir.resolve().name: sha256(checkpoint_of(one.run_dir)) for one in source.members},
        "objective": objective_name(cfg),
        "space": str(cfg.space.name),
        "head": str(cfg.head.name),
        "score": f"{run.name} {run.score.rule.name}",
        "protocol": run.protocol or "k, n, t, residual and image score as the run was configured",
    }


def image_facts(source: Source, size: str) -> dict[str, Any]:
    """Return all that lies between a file and the array that the graph takes."""
    data, (height, width), regions = source.run.cfg.data, source.size, source.run.data.reader.regions
    return {
        "height": height,
        "width": width,
        "size": size,
        "multiple_of": source.multiple_of if size == "native" else 1,
        "aspect": None if data.image_size is None else str(data.aspect),
        "content": source.content and size == "run",
        "roi": None if regions is None else ROI if regions.shared else "each",
        "bit_depth": data.get("bit_depth"),
        "pages": data.get("pages"),
        "pixels": "RGB uint8 NHWC; EXIF rotation applied; alpha dropped; grey repeated; 16 bits scaled by bit_depth",
        "resize": "OpenCV: INTER_AREA if a side shrinks, else INTER_LINEAR",
    }


def write_readme(folder: Path, metadata: dict[str, Any]) -> None:
    """Write one page on what the folder holds and how it is used."""
    run, thresholds, image = metadata["run"], metadata["thresholds"], metadata["image"]
    limits = "; ".join(
        f"{kind}: {thresholds[kind]:.6g}"
        if thresholds[kind] is not None
        else f"{kind}: none, because {thresholds[f'{kind}_undefined']}"
        for kind in ("image", "pixel")
    )
    contract = "\n".join(
        f"  {name}: {one['images']} images, largest relative difference of a map {one['map']:.1e}, of a score "
        f"{one['score']:.1e}, {one['flips']} other decisions"
        for name, one in metadata["contract"].items()
    )
    promise = f"every held-out and test image scores as in PyTorch in float32, up to {TOLERANCE:g}"
    if metadata["precision"] == "int8":
        promise = "the convolutions work in 8 bits, so that scores differ from PyTorch's"
    sides = f"{image['height']} x {image['width']}"
    if image["size"] == "native":
        sides = f"any height and width that are multiples of {image['multiple_of']}"
    text = f"""An anomaly detector of fae {metadata["versions"]["fae"]}
===========================================

It was trained on good parts alone: run {run["name"]}, data {run["dataset"]}, objective {run["objective"]}, space
{run["space"]}. It finds what does not look like them.

Use it from Python, without PyTorch (pip install the folder runtime/ of fae's repository):

    from fae_runtime import Detector
    detector = Detector.load("THIS FOLDER")
    anomaly_map, score, anomalous, mask = detector("part.png")

Or run {next(iter(metadata["files"]))} in {" or ".join(metadata["engines"])}. Its inputs:
  image             uint8 (B, H, W, 3), RGB, {sides} pixels
  image_threshold   float32 scalar; left out, it is the default below
  pixel_threshold   float32 scalar; left out, it is the default below
{"  content           bool (B, H, W), True where the image is judged" if image["content"] else ""}
Its outputs:
  anomaly_map       float32 (B, H, W); higher means more anomalous
  score             float32 (B)
  anomalous         bool (B), score above image_threshold
  mask              bool (B, H, W), map above pixel_threshold

Thresholds: {limits}.
They come {thresholds["how"]}.

From a file to the input image: {image["pixels"]}. Resize: {image["resize"]}
(aspect: {image["aspect"]}). Another resize changes the scores.

The contract: {promise}.
{contract}

probes/ holds image files as a camera writes them; metadata.json has their scores. A reader of your own that gives
these scores reads images alike. metadata.json also has the SHA-256 digests of the files.
"""
    (folder / README).write_text(text, encoding="utf-8")
