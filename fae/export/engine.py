"""The engines that run an exported graph."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fae.machine.extra import extra

ENGINES = ("onnxruntime", "openvino")
_ERRORS_ONLY = 3


class Scores(NamedTuple):
    """What a graph makes of images."""

    anomaly_map: NDArray[np.float32]
    """`(B, H, W)`."""
    score: NDArray[np.float32]
    """`(B,)`."""


Engine = Callable[[Mapping[str, NDArray[Any]]], Scores]
"""A function of a graph's inputs by name."""


def engine(name: str, model: Path | bytes, threads: int | None = None) -> Engine:
    """Open a model in an engine, in float32.

    Args:
        name: "onnxruntime" or "openvino".
        model: file of the model, or an ONNX model itself.
        threads: number of threads; None leaves it to the engine.

    Raises:
        MissingExtraError: the engine is not installed.
    """
    return _onnxruntime(model, threads) if name == "onnxruntime" else _openvino(model, threads)


def _onnxruntime(model: Path | bytes, threads: int | None) -> Engine:
    with extra("export"):
        import onnxruntime
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = threads or 0
    session = onnxruntime.InferenceSession(
        model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
    )

    def run(inputs: Mapping[str, NDArray[Any]]) -> Scores:
        return Scores(*session.run(list(Scores._fields), dict(inputs)))

    return run


def _openvino(model: Path | bytes, threads: int | None) -> Engine:
    with extra("export"):
        import openvino
    core = openvino.Core()
    limit = {} if threads is None else {"INFERENCE_NUM_THREADS": threads}
    # OpenVINO chooses bf16 by itself on processors that have it, and the scores would change.
    compiled = core.compile_model(core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"} | limit)

    def run(inputs: Mapping[str, NDArray[Any]]) -> Scores:
        found = compiled(dict(inputs))
        return Scores(*(np.array(found[name]) for name in Scores._fields))

    return run
