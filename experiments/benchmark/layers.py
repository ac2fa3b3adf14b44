"""Every kind of convolution in a network, timed by itself, so that a slow path of the library shows."""

from collections import Counter
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from experiments.benchmark.floor import PRODUCT, product
from experiments.benchmark.subject import Subject
from experiments.benchmark.timing import Work, in_turn

_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def layers(subject: Subject, seconds: float) -> list[dict[str, Any]]:
    """Time forward and backward of each kind of convolution at its place in the network.

    Args:
        subject: the network and the size of its batches.
        seconds: approximate time in seconds for each kind.

    Returns:
        a list with an entry for each kind: its name, how often it occurs, its operations, and its shares of the matrix
        rate forward and backward; a backward pass counts as twice the operations of the forward pass.
    """
    found = []
    for (name, _), (layer, shape, count) in _kinds(subject).items():
        image = torch.rand(shape, device=subject.device).contiguous(memory_format=torch.channels_last).requires_grad_()
        result = _forward(subject, layer, image)
        gradient = torch.ones_like(result)
        assert isinstance(layer.weight, Tensor)
        backward = partial(torch.autograd.grad, result, [image, layer.weight], gradient, retain_graph=True)
        work: dict[str, Work] = {"forward": partial(_forward, subject, layer, image), "backward": backward}
        work[PRODUCT], flop_of_product = product(subject.device, subject.dtype, subject.cfg.benchmark.matrix_side)
        times = {what: median(values) for what, values in in_turn(work, subject.device, seconds).items()}
        rate = flop_of_product / times[PRODUCT]
        places = image if isinstance(layer, nn.ConvTranspose2d) else result
        flop = 2 * layer.weight.numel() * places[:, 0].numel()
        found.append(
            {
                "layer": name,
                "count": count,
                "gflop": flop / 1e9,
                "forward_share_of_matrix_rate": flop / times["forward"] / rate,
                "backward_share_of_matrix_rate": 2 * flop / times["backward"] / rate,
            }
        )
    return found


def _forward(subject: Subject, layer: nn.Module, image: Tensor) -> Tensor:
    with subject.autocast():
        result: Tensor = layer(image)
    return result


def _kinds(subject: Subject) -> dict[tuple[str, torch.Size], tuple[nn.Module, torch.Size, int]]:
    """By name and shape of the input: one layer of that kind, the shape, and the number of such layers."""
    seen: dict[tuple[str, torch.Size], tuple[nn.Module, torch.Size]] = {}
    counted: Counter[tuple[str, torch.Size]] = Counter()

    def look(layer: nn.Module, inputs: tuple[Tensor, ...], result: Tensor) -> None:
        assert isinstance(layer, _CONVOLUTIONS)
        transposed = "transposed " if isinstance(layer, nn.ConvTranspose2d) else ""
        dilated = f", dilation {layer.dilation[0]}" if layer.dilation[0] > 1 else ""
        size = f"{inputs[0].shape[-2]}×{inputs[0].shape[-1]}"
        name = (
            f"{transposed}{layer.in_channels} → {layer.out_channels}, {layer.kernel_size[0]}×{layer.kernel_size[1]}"
            f"{dilated}, at {size}"
        )
        seen[name, inputs[0].shape] = layer, inputs[0].shape
        counted[name, inputs[0].shape] += 1

    model = subject.module().network.model
    hooks = [layer.register_forward_hook(look) for layer in model.modules() if isinstance(layer, _CONVOLUTIONS)]
    data = subject.data
    with torch.no_grad(), subject.autocast():
        image = torch.rand(data.batch_size, 3, *data.stages[-1], device=subject.device)
        model(image.contiguous(memory_format=torch.channels_last))
    for hook in hooks:
        hook.remove()
    return {key: (*value, counted[key]) for key, value in seen.items()}
