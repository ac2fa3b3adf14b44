"""An exported graph with convolutions of 8 bits, by NNCF for OpenVINO."""

import contextlib
import io
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fae.export.contract import all_scored, inputs_of
from fae.export.source import Source
from fae.machine.extra import extra
from fae.metric.auroc import auroc
from fae.metric.streaming import StreamingPixelMetrics
from fae_runtime.engine import Engine

MODEL = ("model.xml", "model.bin")
WORST = 0.005
"""The largest loss of AUROC on held-out damage at which an export is written."""
_QUANTISED = frozenset({"Convolution", "GroupConvolution", "ConvolutionBackpropData"})
_IMAGES = 300  # NNCF's own default
_TIMED = 20  # calls


class Loss(NamedTuple):
    """What 8 bits cost and gain, on held-out images with seeded damage."""

    pixel_auroc: tuple[float | None, float | None]
    """Of float32 and of int8."""
    image_auroc: tuple[float | None, float | None]
    """Of float32 and of int8: damaged against undamaged held-out images."""
    milliseconds: tuple[float, float]
    """Time of one image, in float32 and in int8."""
    bytes: tuple[int, int]
    """Size of the model in float32 and in int8."""


def quantised(model: bytes, source: Source, content: bool) -> Any:
    """Return an OpenVINO model whose convolutions work in 8 bits, calibrated on training images.

    Everything else stays in float32: residuals are small differences, which 8 bits would drown.

    Args:
        model: ONNX model.
        source: runs that the training images belong to.
        content: whether the graph takes the part of each image that is judged.

    Raises:
        MissingExtraError: a package of the extra `export` is missing.
    """
    with extra("export"):
        import nncf
        import openvino
    read = openvino.Core().read_model(model)
    kept = sorted({op.get_type_name() for op in read.get_ops()} - _QUANTISED)
    split = source.run.data.train
    places = torch.randperm(len(split.samples), generator=torch.Generator().manual_seed(0))[:_IMAGES].tolist()
    inside = split.content if content else None
    items = [inputs_of(split.image[i : i + 1], None if inside is None else inside[i : i + 1]) for i in places]
    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()):
        return nncf.quantize(
            read,
            nncf.Dataset(items),
            subset_size=len(items),
            ignored_scope=nncf.IgnoredScope(types=kept, validate=False),
        )


def write_quantised(model: Any, folder: Path, image: float | None, pixel: float | None) -> None:
    """Give a model its thresholds, infinity for None, and write it as `model.xml` and `model.bin`."""
    import openvino

    for op in list(model.get_ops()):
        for name, value in (("image_threshold", image), ("pixel_threshold", pixel)):
            if op.get_friendly_name() == name and op.get_type_name() == "Constant":
                given = openvino.opset13.constant(np.float32(np.inf if value is None else value))
                openvino.utils.replace_node(op, given)
                given.set_friendly_name(name)
    openvino.save_model(model, folder / MODEL[0], compress_to_fp16=False)


def loss(source: Source, float32: Engine, int8: Engine, sizes: tuple[int, int], content: bool) -> Loss:
    """Compare two engines on held-out images with seeded damage."""
    pixels, images = zip(*(_found(source, engine, content) for engine in (float32, int8)), strict=True)
    split = source.run.data.val
    one = inputs_of(split.image[:1], split.content[:1] if content else None)
    return Loss(pixels, images, (_milliseconds(float32, one), _milliseconds(int8, one)), sizes)


def check_loss(found: Loss) -> None:
    """Refuse a model that finds held-out damage worse than float32.

    Raises:
        ValueError: an AUROC falls by `WORST` or more.
    """
    for name, (before, after) in (("pixel", found.pixel_auroc), ("image", found.image_auroc)):
        if before is not None and after is not None and not before - after < WORST:
            raise ValueError(
                f"precision (=int8) lowers the {name} AUROC on held-out damage from {before:.4f} to {after:.4f}, by "
                f"{WORST} or more; nothing was written: export precision=float32"
            )


def _found(source: Source, engine: Engine, content: bool) -> tuple[float | None, float | None]:
    """Return pixel and image AUROC on held-out damage."""
    metric, damaged = StreamingPixelMetrics(), []
    for image, mask, inside in _damaged(source):
        found = all_scored(engine, image, inside if content else None)
        metric.update(torch.from_numpy(found.anomaly_map).unsqueeze(1), mask, inside)
        damaged.append(found.score)
    split = source.run.data.val
    normal = all_scored(engine, split.image, split.content if content else None)
    return metric.here()["auroc"], auroc(normal.score, np.concatenate(damaged))


def _damaged(source: Source) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield damaged images as uint8, their masks, and what of them is judged."""
    data = source.run.data
    everything = data.val.content.repeat(data.val_corruptions, 1, 1, 1)
    start = 0
    for batch in data.damaged():
        inside = everything[start : start + len(batch.corrupted)]
        start += len(inside)
        yield (batch.corrupted * 255).round().byte(), batch.corruption_mask > 0.5, inside


def _milliseconds(engine: Engine, inputs: dict[str, Any]) -> float:
    engine(inputs)
    start = time.perf_counter()
    for _ in range(_TIMED):
        engine(inputs)
    return (time.perf_counter() - start) / _TIMED * 1000
