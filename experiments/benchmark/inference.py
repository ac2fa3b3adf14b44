"""Latency of scoring images: of the network alone, and from bytes to anomaly map and image score."""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor

from experiments.benchmark.floor import PRODUCT, operations, product
from experiments.benchmark.process import aside
from experiments.benchmark.subject import Subject, subject_of
from experiments.benchmark.timing import Work, in_turn, summary
from fae.model.folded import fold_batch_norm
from fae.module import AnomalyAutoencoder
from fae.run.identity import resolved
from fae.score.score import image_scores

NETWORK, WHOLE, PLAIN = "network", "from bytes to map and score", "plain: network"
GIVEN_BACK = "network, freed memory given back to the system"


def inference(subject: Subject, seconds: float, scored: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    """Time the scoring of square images; the weights are random, because no time depends on their values.

    Args:
        subject: the network and the score.
        seconds: approximate time in seconds for each entry of `scored`.
        scored: pairs of the number of images at a time and of their side in pixels.

    Returns:
        a list with an entry for each pair: `times` by name, and the share of the matrix rate that the network reaches.
    """
    device = subject.device
    module = _folded(subject)
    cfg = resolved(subject.cfg)
    found = []
    for batch, side in scored:
        image = subject.images(batch, side)
        ready = _ready(subject, image)
        work: dict[str, Work] = {
            NETWORK: partial(reconstruct, subject, module, ready),
            WHOLE: partial(score, subject, module, image),
        }
        work[PRODUCT], flop_of_product = product(device, subject.dtype, subject.cfg.benchmark.matrix_side)
        with ExitStack() as stack:
            work[PLAIN] = stack.enter_context(aside(_plain, cfg, batch, side, device=device))
            if device.type == "cpu":
                work[GIVEN_BACK] = stack.enter_context(aside(_network, cfg, batch, side, device=device))
            times = {name: summary(values) for name, values in in_turn(work, device, seconds).items()}
        rate = flop_of_product / times.pop(PRODUCT)["median_ms"] * 1e3
        flop = sum(one.flop for one in operations(module.network.model, ready.shape, subject.dtype, training=False))
        network = times[NETWORK]["median_ms"] / 1e3
        found.append(
            {
                "batch": batch,
                "side": side,
                "times": times,
                "tflop": flop / 1e12,
                "matrix_gflop_per_s": rate / 1e9,
                "share_of_matrix_rate": flop / network / rate,
                "speedup_over_plain": times[PLAIN]["median_ms"] / times[NETWORK]["median_ms"],
            }
        )
    return found


def reconstruct(subject: Subject, module: AnomalyAutoencoder, image: Tensor) -> Tensor:
    """Run the network as `fae.predict` runs it; images `(B, 3, H, W)` in [0, 1] to the same shape."""
    with torch.inference_mode(), subject.autocast():
        reconstruction: Tensor = module(image)
    return reconstruction


def score(subject: Subject, module: AnomalyAutoencoder, image: Tensor) -> tuple[Tensor, Tensor]:
    """Bytes `(B, 3, H, W)` on the host to anomaly maps `(B, 1, H, W)` and image scores `(B,)`, also on the host."""
    with torch.inference_mode():
        ready = image.to(subject.device).float() / 255
        residual = subject.score.residual(ready, reconstruct(subject, module, ready))
        maps = subject.score.anomaly_map(residual)
        inside = torch.ones_like(maps, dtype=torch.bool)
        return maps.cpu(), image_scores(subject.score.image_score, maps, inside).cpu()


def _folded(subject: Subject) -> AnomalyAutoencoder:
    module = subject.module()
    fold_batch_norm(module.network.model)
    return module


def _ready(subject: Subject, image: Tensor) -> Tensor:
    """Bytes `(B, 3, H, W)` as the network's input: float32 in [0, 1], channels last, on the device."""
    return (image.to(subject.device).float() / 255).contiguous(memory_format=torch.channels_last)


def _network(plain: dict[str, Any], batch: int, side: int) -> Work:
    subject = subject_of(plain)
    return partial(reconstruct, subject, _folded(subject), _ready(subject, subject.images(batch, side)))


def _plain(plain: dict[str, Any], batch: int, side: int) -> Work:
    """The network in float32 and contiguous memory, with its batch norms."""
    subject = subject_of(plain)
    model = subject.module().network.model.to(memory_format=torch.contiguous_format).eval()
    image = _ready(subject, subject.images(batch, side)).contiguous()
    return torch.no_grad()(partial(model, image))
