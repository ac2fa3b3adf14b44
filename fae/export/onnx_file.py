"""The graph as an ONNX model."""

import contextlib
import io
import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from fae.export.graph import DAMPING, Graph
from fae.machine.extra import extra

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 20
INPUTS = ("image", "image_threshold", "pixel_threshold", "content")
OUTPUTS = ("anomaly_map", "score", "anomalous", "mask")
_TRACED = 2  # images; one image would fix their number in the graph


def to_onnx(graph: Graph, size: Sequence[int], content: bool, multiple_of: int | None) -> "ModelProto":
    """Export a graph; the thresholds are infinite until `set_thresholds` gives them values.

    Args:
        graph: network and score.
        size: `(height, width)` of the images in pixels.
        content: whether the graph takes the part of each image that is judged.
        multiple_of: pixels of which other heights and widths must be multiples; None fixes height and width.

    Raises:
        MissingExtraError: a package of the extra `export` is missing.
        RuntimeError: a part of the graph has no counterpart in ONNX; the message names it.
    """
    with extra("export"):
        import onnx
        import onnxscript  # noqa: F401, which torch needs to export
    batch = torch.export.Dim("batch", min=1, max=2**16)
    shape: dict[int, torch.export.Dim] = {0: batch}
    if multiple_of is not None:
        sides = (torch.export.Dim(name, min=1, max=2**16 // multiple_of) for name in ("rows", "columns"))
        shape |= {axis: multiple_of * side for axis, side in zip((1, 2), sides, strict=True)}
    values = [
        torch.zeros(_TRACED, *size, 3, dtype=torch.uint8),
        *(torch.tensor(math.inf) for _ in range(2)),
        *([torch.ones(_TRACED, *size, dtype=torch.bool)] if content else []),
    ]
    with torch.no_grad(), _quietly():
        program = torch.onnx.export(
            graph.eval(),
            tuple(values),
            dynamo=True,
            opset_version=OPSET,
            input_names=INPUTS[: len(values)],
            output_names=OUTPUTS,
            dynamic_shapes=(shape, None, None, *([shape] if content else [])),
        )
    assert program is not None
    model = program.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # they name the files of this machine
    for info in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del info.metadata_props[:]
    del model.metadata_props[:]
    model.producer_name = "fae"
    set_thresholds(model, None, None)
    onnx.checker.check_model(model)
    return model


def set_thresholds(model: "ModelProto", image: float | None, pixel: float | None) -> None:
    """Make thresholds the defaults of a model's inputs; None stands for infinity, which no score exceeds."""
    import onnx

    kept = [one for one in model.graph.initializer if one.name not in INPUTS]
    for name, value in (("image_threshold", image), ("pixel_threshold", pixel)):
        tensor = onnx.helper.make_tensor(name, onnx.TensorProto.FLOAT, [], [math.inf if value is None else value])
        kept.append(tensor)
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def with_damping_as_input(model: "ModelProto") -> "ModelProto":
    """Return a copy of a model in which the factors of eq. 14 are inputs, with the exported ones as their defaults."""
    import onnx

    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    for one in model.graph.initializer:
        if one.name.endswith(DAMPING):
            opened.graph.input.append(onnx.helper.make_tensor_value_info(one.name, one.data_type, list(one.dims)))
    return opened


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Hide what the exporter tells its own developers."""
    logs = {log: log.level for log in map(logging.getLogger, ("torch.onnx", "onnxscript", "onnx_ir"))}
    for log in logs:
        log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, level in logs.items():
            log.setLevel(level)
