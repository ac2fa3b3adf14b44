"""Convolutions whose weight gradient is a few matrix products, where oneDNN's own is slow.

On a processor without AVX-512, oneDNN computes the weight gradient of channels_last float32 images at a fifth of the
rate of the forward pass, whereas the order of memory suits matrix products: image shifted by a kernel's tap, times
gradient, for each of the k·k taps. Everything else stays with the library, and so do narrow layers and small
images, whose matrices would be too thin or too short. experiments/benchmark measures what it gains.
"""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_NARROW = 64  # channels
_SMALL = 64 * 64  # pixels
_BAND = 2**19  # numbers, 2 MiB
_ABLE = torch.cpu.get_capabilities()
_SLOW_PROCESSOR = bool(_ABLE.get("avx2")) and not _ABLE.get("avx512_f")


class Conv2d(nn.Conv2d):
    """As in torch; another weight gradient where the stride is 1."""

    def forward(self, input: Tensor) -> Tensor:
        """`(B, C, H, W)` to `(B, C', H', W')`."""
        if self.padding_mode == "zeros" and self.stride == (1, 1) and _slow(self, input):
            result: Tensor = _Convolution.apply(input, self.weight, self.padding, self.dilation)  # type: ignore[no-untyped-call]
            return result
        return super().forward(input)


class ConvTranspose2d(nn.ConvTranspose2d):
    """As in torch; another weight gradient where the dilation is 1."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """`(B, C, H, W)` to `(B, C', H', W')`."""
        if output_size is None and self.dilation == (1, 1) and _slow(self, input):
            result: Tensor = _Transposed.apply(input, self.weight, self.stride, self.padding, self.output_padding)  # type: ignore[no-untyped-call]
            return result
        return super().forward(input, output_size)


def _slow(layer: Conv2d | ConvTranspose2d, image: Tensor) -> bool:
    weight = layer.weight
    return (
        image.device.type == "cpu"
        and layer.bias is None
        and layer.groups == 1
        and weight.requires_grad
        and torch.is_grad_enabled()
        and image.dtype == weight.dtype == torch.float32
        and min(weight.shape[:2]) >= _NARROW
        and image.shape[2:].numel() >= _SMALL
        and image.is_contiguous(memory_format=torch.channels_last)
        and not torch.is_autocast_enabled("cpu")
        and _SLOW_PROCESSOR
    )


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, weight: Tensor, padding: Any, dilation: Any) -> Tensor:
        ctx.save_for_backward(image, weight)
        ctx.geometry = ((1, 1), padding, dilation, False, (0, 0), 1)
        return torch.ops.aten.convolution(image, weight, None, *ctx.geometry)  # type: ignore[no-any-return]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        image, weight = ctx.saved_tensors
        _, padding, dilation, *_ = ctx.geometry
        return (
            _image_gradient(ctx, gradient, image, weight),
            weight_gradient(image, gradient, weight.shape, padding, dilation),
            *(None, None),
        )


class _Transposed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, weight: Tensor, stride: Any, padding: Any, output_padding: Any) -> Tensor:
        ctx.save_for_backward(image, weight)
        ctx.geometry = (stride, padding, (1, 1), True, output_padding, 1)
        return torch.ops.aten.convolution(image, weight, None, *ctx.geometry)  # type: ignore[no-any-return]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        image, weight = ctx.saved_tensors
        stride, padding, *_ = ctx.geometry
        return (
            _image_gradient(ctx, gradient, image, weight),
            transposed_weight_gradient(image, gradient, weight.shape, stride, padding),
            *(None, None, None),
        )


def _image_gradient(ctx: Any, gradient: Tensor, image: Tensor, weight: Tensor) -> Tensor | None:
    if not ctx.needs_input_grad[0]:
        return None
    only_the_image = (True, False, False)
    found: Tensor = torch.ops.aten.convolution_backward(gradient, image, weight, None, *ctx.geometry, only_the_image)[0]
    return found


def weight_gradient(
    image: Tensor, gradient: Tensor, shape: torch.Size, padding: tuple[int, int], dilation: tuple[int, int]
) -> Tensor:
    """Weight gradient of a convolution with stride 1.

    Image and gradient are padded to one width, so that a tap is a shift by a number of pixels in memory, without a
    copy; a few rows at a time, which stay in the processor's cache for all taps.

    Args:
        image: `(B, C, H, W)`, the input.
        gradient: `(B, C', H', W')`, of the output.
        shape: of the weight, `(C', C, k, k)`.
        padding: zeros beyond the border, rows and columns.
        dilation: between the taps, rows and columns.

    Returns:
        `(C', C, k, k)`.
    """
    (above, left), (down, right) = padding, dilation
    width = image.shape[3] + 2 * left
    taps = image.new_zeros(*shape[2:], *shape[:2])
    for pixels, wanted, first, last in _bands(image, gradient):
        wanted = _window(wanted, first, last, 0, width).flatten(0, 1)
        pixels = _window(pixels, first - above, last - above + (shape[2] - 1) * down, -left, width).flatten(0, 1)
        count = len(wanted) - (width - gradient.shape[3])  # what is left are zeros
        for i in range(shape[2]):
            for j in range(shape[3]):
                shift = i * down * width + j * right
                taps[i, j].addmm_(wanted[:count].t(), pixels[shift : shift + count])
    return taps.permute(2, 3, 0, 1)


def transposed_weight_gradient(
    image: Tensor, gradient: Tensor, shape: torch.Size, stride: tuple[int, int], padding: tuple[int, int]
) -> Tensor:
    """Weight gradient of a transposed convolution with dilation 1, as `weight_gradient`.

    Args:
        image: `(B, C, H, W)`, the input.
        gradient: `(B, C', H', W')`, of the output.
        shape: of the weight, `(C, C', k, k)`.
        stride: rows and columns.
        padding: what is cut from the output, rows and columns.

    Returns:
        `(C, C', k, k)`.
    """
    (down, right), (above, left) = stride, padding
    width = (image.shape[3] - 1) * right + shape[3]
    taps = image.new_zeros(*shape[2:], *shape[:2])
    for wanted, pixels, first, last in _bands(gradient, image):
        pixels = pixels[first:last].flatten(0, 1)
        wanted = _window(wanted, first * down - above, (last - 1) * down - above + shape[2], -left, width)
        for i in range(shape[2]):
            for j in range(shape[3]):
                reached = wanted[i::down][: last - first, j::right][:, : image.shape[3]]
                taps[i, j].addmm_(pixels.t(), reached.flatten(0, 1))
    return taps.permute(2, 3, 0, 1)


def _bands(large: Tensor, small: Tensor) -> Iterator[tuple[Tensor, Tensor, int, int]]:
    """Images `(H, W, C)` of two batches `(B, C, H, W)`, and from which to which row of the second to work."""
    large, small = large.permute(0, 2, 3, 1), small.permute(0, 2, 3, 1)
    rows = max(8, _BAND * small.shape[1] // large[0].numel())
    for one, other in zip(large, small, strict=True):
        for first in range(0, len(other), rows):
            yield one, other, first, min(first + rows, len(other))


def _window(image: Tensor, first: int, last: int, left: int, width: int) -> Tensor:
    """Rows `first` to `last` and `width` columns from `left` on of `(H, W, C)`; zeros where it has none."""
    right = left + width
    part = image[max(0, first) : max(0, last), max(0, left) : max(0, right)]
    above, before = max(0, -first), max(0, -left)
    return F.pad(part, (0, 0, before, width - before - part.shape[1], above, last - first - above - part.shape[0]))
