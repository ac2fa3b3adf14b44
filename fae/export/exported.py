"""The making of an export: graph, thresholds, contract, probes, and the metadata last."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from hydra.utils import instantiate

from fae.data.split import Split
from fae.export.contract import Difference, all_scored, check, compare
from fae.export.engine import ENGINES, Scores, engine
from fae.export.graph import DAMPING, Graph
from fae.export.metadata import FORMAT, METADATA, image_facts, outcome, run_facts, sha256, versions, write_readme
from fae.export.onnx_file import set_thresholds, to_onnx, with_damping_as_input
from fae.export.probe import chosen, told, write_probes
from fae.export.source import Source
from fae.export.thresholds import scored_alone, thresholds_of
from fae.picture.panel import colour_limit

if TYPE_CHECKING:
    from onnx import ModelProto

MODEL = "model.onnx"


def export(source: Source, folder: Path, size: str, calibration: Split | None) -> dict[str, Any]:
    """Write an export into an empty folder.

    Args:
        source: calibrated runs.
        folder: folder to fill.
        size: "run", which fixes height and width, or "native", which leaves them open.
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
    normals = _normals(model, source, split, content)
    thresholds = _thresholds(source, normals, split, size)
    set_thresholds(model, thresholds["image"], thresholds["pixel"])
    (folder / MODEL).write_bytes(model.SerializeToString())
    differences = differences_of(source, folder, ENGINES, content, thresholds["image"])
    shown = source.test if len(source.test.split.samples) else source.normals
    read, multiple_of = source.run.data.reader.read, source.multiple_of if size == "native" else 1
    probes = write_probes(folder, chosen(shown), read, multiple_of)
    metadata: dict[str, Any] = {
        "format": FORMAT,
        "versions": versions(),
        "engines": list(ENGINES),
        "precision": "float32",
        "files": {MODEL: sha256(folder / MODEL)},
        "run": run_facts(source),
        "image": image_facts(source, size),
        "thresholds": thresholds,
        "normals": sorted(normals.score.tolist()),
        "colour_limit": colour_limit(shown.anomaly_map),
        "contract": {name: outcome(one) for name, one in differences.items()},
        "probes": told(graph, source, probes, size, thresholds["image"]),
    }
    write_readme(folder, metadata, [MODEL])
    (folder / METADATA).write_text(json.dumps(metadata, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return metadata


def differences_of(
    source: Source, folder: Path, engines: Mapping[str, Any] | tuple[str, ...], content: bool, threshold: float | None
) -> dict[str, Difference]:
    """Check the contract on all held-out and test images, in each engine.

    Raises:
        ValueError: it is broken; the message says where.
    """
    found = {}
    for name in engines:
        found[name] = compare(engine(name, folder / MODEL), (source.normals, source.test), content, threshold)
        check(found[name], name)
    return found


def _try(graph: Graph, source: Source, content: bool) -> None:
    """Run a graph in PyTorch first, whose errors a user can read."""
    split, limit = source.run.data.val, torch.tensor(torch.inf)
    image = split.image[:1].permute(0, 2, 3, 1)
    with torch.inference_mode():
        graph(image, limit, limit, split.content[:1, 0] if content else None)


def _normals(model: "ModelProto", source: Source, split: Split, content: bool) -> Scores:
    if source.damped and split is source.run.data.val:
        opened = with_damping_as_input(model)
        names = [one.name for one in model.graph.initializer if one.name.endswith(DAMPING)]
        return scored_alone(engine("onnxruntime", opened.SerializeToString()), names, source)
    return all_scored(engine("onnxruntime", model.SerializeToString()), split.image, split.content if content else None)


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
    found["how"] = f"from {len(split.samples)} {which} normal images, which this file itself scored in float32"
    return found
