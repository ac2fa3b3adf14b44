"""The engines that run an exported graph on a CPU, in float32."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

ENGINES = ("onnxruntime", "openvino")
_ERRORS_ONLY = 3


class Scores(NamedTuple):
    """What a graph says of images."""

    anomaly_map: NDArray[np.float32]
    """`(B, H, W)`."""
    score: NDArray[np.float32]
    """`(B,)`."""


Engine = Callable[[Mapping[str, NDArray[Any]]], Scores]
"""A function of a graph's inputs by name, which several threads may call at once."""


def choose(engine: str | None, allowed: Sequence[str]) -> str:
    """Return the engine to use.

    Args:
        engine: name of the wanted engine; None takes the first of `ENGINES` that is allowed and installed.
        allowed: names of the engines in which the export was found to score as PyTorch does.

    Raises:
        ValueError: the engine is unknown, or not allowed.
        ImportError: the engine is not installed.
    """
    usable = [name for name in ENGINES if name in allowed]
    if engine is not None and engine not in usable:
        raise ValueError(
            f"engine (={engine!r}) must be {' or '.join(usable)}: in no other engine the scores of this export were "
            "found to hold"
        )
    wanted = usable if engine is None else [engine]
    installed = [name for name in wanted if find_spec(name) is not None]
    if not installed:
        raise ImportError(
            f"{' and '.join(wanted)} {'are' if len(wanted) > 1 else 'is'} not installed, but this export needs "
            f"{'one of them' if len(wanted) > 1 else 'it'}: {sys.executable} -m pip install {wanted[0]}"
        )
    return installed[0]


def start(engine: str, model: tuple[bytes, ...], threads: int | None) -> Engine:
    """Open a model in an engine.

    Args:
        engine: "onnxruntime" or "openvino".
        model: an ONNX model, or the graph and the weights of an OpenVINO model.
        threads: number of threads, >= 1; None leaves it to the engine.

    Raises:
        ValueError: `threads` is below 1.
    """
    if threads is not None and threads < 1:
        raise ValueError(f"threads (={threads}) must be at least 1; None leaves their number to {engine}")
    return _onnxruntime(model, threads) if engine == "onnxruntime" else _openvino(model, threads)


def _onnxruntime(model: tuple[bytes, ...], threads: int | None) -> Engine:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY  # it warns of thresholds that have defaults
    options.intra_op_num_threads = threads or 0
    session = onnxruntime.InferenceSession(model[0], options, providers=["CPUExecutionProvider"])

    def run(inputs: Mapping[str, NDArray[Any]]) -> Scores:
        return Scores(*session.run(list(Scores._fields), dict(inputs)))

    return run


def _openvino(model: tuple[bytes, ...], threads: int | None) -> Engine:
    import openvino

    core = openvino.Core()
    # OpenVINO chooses bf16 by itself on processors that have it, and the scores would change.
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads
    compiled = core.compile_model(core.read_model(*model), "CPU", settings)

    def run(inputs: Mapping[str, NDArray[Any]]) -> Scores:
        found = compiled.create_infer_request().infer(dict(inputs))  # a request serves one thread
        return Scores(*(np.array(found[name]) for name in Scores._fields))

    return run
