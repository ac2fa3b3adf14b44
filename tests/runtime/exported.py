"""An export made by hand, and the detector of fae that has its scores."""

import hashlib
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from fae.detector import Detector
from fae.score.image_score import Max
from fae.score.residual.squared import Squared
from fae.score.score import Score

SIZE = (24, 32)
"""Height and width of the images, in pixels."""
THRESHOLDS = (0.6, 0.5)
NORMALS = [0.3, 0.4, 0.5]


def levels(image: Tensor) -> Tensor:
    """What the graph computes: by how much red and green differ."""
    return (image[:, :1] - image[:, 1:2]).abs()


def graph(size: tuple[int, int] | None, content: bool) -> onnx.ModelProto:
    """The graph of an export whose network is `levels`; sides of any length if `size` is None."""
    rows, columns = size or ("rows", "columns")
    nodes = [
        helper.make_node("Cast", ["image"], ["colours"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["colours", "full"], ["scaled"]),
        helper.make_node("Split", ["scaled"], ["red", "green", "blue"], axis=3, num_outputs=3),
        helper.make_node("Sub", ["red", "green"], ["difference"]),
        helper.make_node("Abs", ["difference"], ["absolute"]),
        helper.make_node("Squeeze", ["absolute", "last"], ["level" if content else "anomaly_map"]),
        helper.make_node("ReduceMax", ["anomaly_map", "sides"], ["score"], keepdims=0),
        helper.make_node("Greater", ["score", "image_threshold"], ["anomalous"]),
        helper.make_node("Greater", ["anomaly_map", "pixel_threshold"], ["mask"]),
    ]
    inputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, ["B", rows, columns, 3])]
    if content:
        nodes[6:6] = [
            helper.make_node("Cast", ["content"], ["inside"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["level", "inside"], ["anomaly_map"]),
        ]
        inputs.append(helper.make_tensor_value_info("content", TensorProto.BOOL, ["B", rows, columns]))
    names = ("image_threshold", "pixel_threshold")
    inputs += [helper.make_tensor_value_info(name, TensorProto.FLOAT, []) for name in names]
    outputs = [
        helper.make_tensor_value_info("anomaly_map", TensorProto.FLOAT, ["B", rows, columns]),
        helper.make_tensor_value_info("score", TensorProto.FLOAT, ["B"]),
        helper.make_tensor_value_info("anomalous", TensorProto.BOOL, ["B"]),
        helper.make_tensor_value_info("mask", TensorProto.BOOL, ["B", rows, columns]),
    ]
    values = {"full": np.float32(255), "last": np.array([3]), "sides": np.array([1, 2])}
    values |= {name: np.float32(value) for name, value in zip(names, THRESHOLDS, strict=True)}
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]
    made = helper.make_graph(nodes, "fae", inputs, outputs, constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def write_export(folder: Path, region: np.ndarray | None = None, **image: Any) -> Path:
    """Write the folder of an export.

    Args:
        folder: folder, which is made.
        region: `(height, width)` mask of the one region that is judged; None for none.
        image: entries of metadata.json below `image` that differ from those of a run that stretches its images.
    """
    (folder / "probes").mkdir(parents=True)
    facts = {
        "height": SIZE[0],
        "width": SIZE[1],
        "size": "run",
        "multiple_of": 1,
        "aspect": "stretch",
        "content": image.get("aspect") == "pad" or image.get("roi") == "each" or region is not None,
        "roi": None if region is None else "roi.png",
        "bit_depth": None,
        "pages": None,
    } | image
    size = None if facts["size"] == "native" else (int(facts["height"]), int(facts["width"]))
    model = graph(size, bool(facts["content"]))
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    if region is not None:
        cv2.imwrite(str(folder / "roi.png"), region.astype(np.uint8) * 255)
    metadata = {
        "format": 1,
        "versions": {"fae": "0.1.0"},
        "engines": ["onnxruntime", "openvino"],
        "precision": "float32",
        "files": {path.name: digest(path) for path in sorted(folder.iterdir()) if path.is_file()},
        "image": facts,
        "thresholds": {"image": THRESHOLDS[0], "pixel": THRESHOLDS[1]},
        "normals": NORMALS,
        "percent": {"width": 0.05},
        "colour_limit": 0.9,
    }
    (folder / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
    return folder


def change(folder: Path, **entries: Any) -> Path:
    """Change entries at the top of an export's metadata."""
    path = folder / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | entries), encoding="utf-8")
    return folder


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def of_fae(aspect: str | None = "stretch", size: str = "run") -> Detector:
    """The detector of fae that scores as the export does."""
    score = Score(Squared(), Max(), n=0)
    return Detector(levels, score, SIZE, aspect, THRESHOLDS, 0.9, "0" * 16, size)


def picture(seed: int, height: int = 40, width: int = 50) -> np.ndarray:
    """A picture `(height, width, 3)` whose colours differ in some places, uint8."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
