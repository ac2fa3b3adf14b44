"""Latency of scoring images: the network alone, and from bytes to anomaly map and score."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from fae.benchmark.floor import PRODUCT, operations, product
from fae.benchmark.subject import Subject
from fae.benchmark.timing import Work, in_turn, summary
from fae.model.folded import fold_batch_norm
from fae.module import FilteringAutoencoder
from fae.score.score import image_scores


def inference(
    subject: Subject, seconds: float, batches: Sequence[int] = (1, 16), sides: Sequence[int] = (256, 512)
) -> list[dict[str, Any]]:
    """Time batches of square images; the weights are random, which changes no time.

    Args:
        subject: the network and the score.
        seconds: for each size of the batch and of the images, about.
        batches: images at a time.
        sides: px.

    Returns:
        for each, `times` by name and the share of the matrix rate that the network reaches.
    """
    device = subject.device
    module = subject.module()
    fold_batch_norm(module.model)
    plain = subject.module().model.to(memory_format=torch.contiguous_format).eval()
    found = []
    for side in sides:
        for batch in batches:
            image = subject.images(batch, side)
            ready = (image.to(device).float() / 255).contiguous(memory_format=torch.channels_last)
            work: dict[str, Work] = {
                "network": partial(reconstruct, subject, module, ready),
                "from bytes to map and score": partial(score, subject, module, image),
                "plain: network": partial(plain_reconstruct, plain, ready.contiguous()),
            }
            work[PRODUCT], flop_of_product = product(device, subject.dtype)
            times = {name: summary(values) for name, values in in_turn(work, device, seconds).items()}
            rate = flop_of_product / times.pop(PRODUCT)["median_ms"] * 1e3
            flop = sum(one.flop for one in operations(module.model, ready.shape, subject.dtype, training=False))
            network = times["network"]["median_ms"] / 1e3
            found.append(
                {
                    "batch": batch,
                    "side": side,
                    "times": times,
                    "tflop": flop / 1e12,
                    "matrix_gflop_per_s": rate / 1e9,
                    "share_of_matrix_rate": flop / network / rate,
                    "speedup_over_plain": times["plain: network"]["median_ms"] / times["network"]["median_ms"],
                }
            )
    return found


def reconstruct(subject: Subject, module: FilteringAutoencoder, image: Tensor) -> Tensor:
    """The network as fae.predict runs it."""
    with torch.inference_mode(), subject.autocast():
        reconstruction: Tensor = module(image)
    return reconstruction


def plain_reconstruct(model: torch.nn.Module, image: Tensor) -> Tensor:
    """The network as one first runs it."""
    with torch.no_grad():
        reconstruction: Tensor = model(image)
    return reconstruction


def score(subject: Subject, module: FilteringAutoencoder, image: Tensor) -> tuple[Tensor, Tensor]:
    """Bytes `(B, 3, H, W)` on the host to anomaly maps `(B, 1, H, W)` and image scores `(B,)`, there as well."""
    with torch.inference_mode():
        ready = image.to(subject.device).float() / 255
        residual = subject.score.residual_map(ready, reconstruct(subject, module, ready))
        maps = subject.score.anomaly_map(residual)
        inside = torch.ones_like(maps, dtype=torch.bool)
        return maps.cpu(), image_scores(subject.score.image_score, maps, inside).cpu()
