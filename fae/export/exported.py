"""The making of an export: graph, thresholds, contract, probes, and the metadata last."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from hydra.utils import instantiate
from PIL import Image

from fae.data.split import Split
from fae.export.contract import Difference, all_scored, check, check_probe, compare
from fae.export.graph import DAMPING, Graph
from fae.export.metadata import FORMAT, METADATA, image_facts, run_facts, sha256, versions, write_readme
from fae.export.onnx_file import set_thresholds, to_onnx, with_damping_as_input
from fae.export.probe import GraphDetector, chosen, told, write_probes
from fae.export.quantised import MODEL as QUANTISED
from fae.export.quantised import check_loss, loss, quantised, write_quantised
from fae.export.source import Source
from fae.export.thresholds import scored_alone, thresholds_of
from fae.picture.panel import colour_limit
from fae.score.percent import percent_width
from fae_runtime import Detector
from fae_runtime.engine import ENGINES, Engine, Scores, start
from fae_runtime.export import ROI

if TYPE_CHECKING:
    from onnx import ModelProto

MODEL = "model.onnx"
PRECISIONS = ("float32", "int8")


def export(source: Source, folder: Path, size: str, precision: str, calibration: Split | None) -> dict[str, Any]:
    """Write an export into an empty folder.

    Args:
        source: calibrated runs.
        folder: folder to fill.
        size: "run", which fixes height and width, or "native", which leaves them open.
        precision: "float32", or "int8", which makes the convolutions work in 8 bits.
        calibration: normal images that the thresholds come from; None takes the held-out ones.

    Returns:
        the content of metadata.json.

    Raises:
        ValueError: the graph does not score as PyTorch does, or a part of the run cannot be exported.
        MissingExtraError: a package of the extra `export` is missing.
    """
    content = source.content and size == "run"
    graph = source.graph()
    _try(graph, source, content)
    model = to_onnx(graph, source.size, content, source.multiple_of if size == "native" else None)
    split = source.run.data.val if calibration is None else calibration
    metadata: dict[str, Any] = {
        "format": FORMAT,
        "versions": versions(),
        "precision": precision,
        "run": run_facts(source),
        "image": image_facts(source, size),
    }
    if precision == "int8":
        metadata |= _in_8_bits(model, source, split, folder, size, content)
    else:
        metadata |= _in_float32(model, source, split, folder, size, content)
    regions = source.run.data.reader.regions
    if regions is not None and regions.common is not None:
        Image.fromarray(regions.common.astype(np.uint8) * 255).save(folder / ROI)
    shown = source.test if len(source.test.split.samples) else source.normals
    multiple_of = source.multiple_of if size == "native" else 1
    probes = write_probes(folder, chosen(shown), source.run.data.reader.read, multiple_of)
    metadata |= {
        "files": {name: sha256(folder / name) for name in (MODEL, *QUANTISED, ROI) if (folder / name).is_file()},
        "colour_limit": colour_limit(shown.anomaly_map),
        "probes": told(GraphDetector(graph, source, size, metadata["thresholds"]["image"]), probes),
    }
    write_readme(folder, metadata)
    (folder / METADATA).write_text(json.dumps(metadata, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    if precision == "float32":
        check_probes(folder, metadata)
    return metadata


def differences_of(
    source: Source, model: tuple[bytes, ...], engines: Sequence[str], content: bool, threshold: float | None
) -> dict[str, Difference]:
    """Compare an exported model with PyTorch on all held-out and test images, in each engine."""
    images = (source.normals, source.test)
    return {name: compare(start(name, model, None), images, content, threshold) for name in engines}


def check_probes(folder: Path, metadata: dict[str, Any]) -> None:
    """Score the probes from their files by the light runtime.

    Raises:
        ValueError: a score is not the one that PyTorch gave.
    """
    for name in metadata["engines"]:
        detector = Detector.load(folder, name)
        for probe in metadata["probes"]:
            check_probe(detector(folder / probe["file"]), probe, name)


def _in_float32(
    model: "ModelProto", source: Source, split: Split, folder: Path, size: str, content: bool
) -> dict[str, Any]:
    """Write the model with its thresholds, and check the contract."""
    plain = model.SerializeToString()
    if source.damped and split is source.run.data.val:
        opened = with_damping_as_input(model).SerializeToString()
        names = [one.name for one in model.graph.initializer if one.name.endswith(DAMPING)]
        normals = scored_alone(start("onnxruntime", (opened,), None), names, source)
    else:
        normals = _scored(start("onnxruntime", (plain,), None), split, content)
    thresholds = _thresholds(source, normals, split, size)
    set_thresholds(model, thresholds["image"], thresholds["pixel"])
    whole = model.SerializeToString()
    (folder / MODEL).write_bytes(whole)
    differences = differences_of(source, (whole,), ENGINES, content, thresholds["image"])
    for name, difference in differences.items():
        check(difference, name)
    return _facts(list(ENGINES), thresholds, normals, differences)


def _in_8_bits(
    model: "ModelProto", source: Source, split: Split, folder: Path, size: str, content: bool
) -> dict[str, Any]:
    """Write the model in 8 bits, with thresholds of its own, if it finds held-out damage as well as float32."""
    plain = model.SerializeToString()
    small = quantised(plain, source, content)
    write_quantised(small, folder, None, None)
    engine = start("openvino", _files(folder), None)
    found = loss(source, start("openvino", (plain,), None), engine, (len(plain), len(_files(folder)[1])), content)
    check_loss(found)
    normals = _scored(engine, split, content)
    thresholds = _thresholds(source, normals, split, size)
    write_quantised(small, folder, thresholds["image"], thresholds["pixel"])
    differences = differences_of(source, _files(folder), ("openvino",), content, thresholds["image"])
    return _facts(["openvino"], thresholds, normals, differences) | {"int8": found._asdict()}


def _facts(
    engines: list[str], thresholds: dict[str, Any], normals: Scores, differences: dict[str, Difference]
) -> dict[str, Any]:
    return {
        "engines": engines,
        "thresholds": thresholds,
        "normals": sorted(normals.score.tolist()),
        "percent": {"width": percent_width(normals.score, thresholds["image"])},
        "contract": {name: one.facts() for name, one in differences.items()},
    }


def _files(folder: Path) -> tuple[bytes, ...]:
    return tuple((folder / name).read_bytes() for name in QUANTISED)


def _try(graph: Graph, source: Source, content: bool) -> None:
    """Run a graph in PyTorch first, whose errors a user can read."""
    split, limit = source.run.data.val, torch.tensor(torch.inf)
    image = split.image[:1].permute(0, 2, 3, 1)
    with torch.inference_mode():
        graph(image, limit, limit, split.content[:1, 0] if content else None)


def _scored(engine: Engine, split: Split, content: bool) -> Scores:
    return all_scored(engine, split.image, split.content if content else None)


def _thresholds(source: Source, normals: Scores, split: Split, size: str) -> dict[str, Any]:
    facts = thresholds_of(instantiate(source.run.cfg.threshold, _convert_="all"), normals, split)
    found: dict[str, Any] = {}
    for kind in ("image", "pixel"):
        found[kind] = facts[f"{kind}_threshold"]
        found[f"{kind}_rate"] = facts[f"{kind}_threshold_rate"]
        found[f"{kind}_undefined"] = facts.get(f"{kind}_threshold_undefined")
        if size == "native" and source.run.cfg.data.image_size is not None:
            found[kind] = None
            found[f"{kind}_undefined"] = "the run's images were resized, and another scale has other scores"
    which = "held-out" if split is source.run.data.val else "other"
    found["how"] = f"from {len(split.samples)} {which} normal images, which this file itself scored"
    return found
