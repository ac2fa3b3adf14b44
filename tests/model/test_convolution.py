import pytest
import torch
import torch.nn.functional as F

from fae.model import convolution
from fae.model.convolution import Conv2d, ConvTranspose2d, transposed_weight_gradient, weight_gradient


@pytest.fixture(autouse=True)
def _small_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not left to torch, and have several bands of eight rows."""
    monkeypatch.setattr(convolution, "_SMALL", 1)
    monkeypatch.setattr(convolution, "_BAND", 1)


@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), (3, 4), (5, 1), (5, 8), (1, 1)])
@pytest.mark.parametrize("size", [(1, 8, 8), (3, 7, 12), (2, 1, 5), (2, 19, 4)])
def test_weight_gradient(kernel: int, dilation: int, size: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    batch, height, width = size
    image = torch.randn(batch, 3, height, width, dtype=torch.float64)
    weight = torch.randn(4, 3, kernel, kernel, dtype=torch.float64, requires_grad=True)
    padding = dilation * (kernel // 2)
    output = F.conv2d(image, weight, padding=padding, dilation=dilation)
    gradient = torch.randn_like(output)
    (expected,) = torch.autograd.grad(output, weight, gradient)
    found = weight_gradient(image, gradient, weight.shape, (padding, padding), (dilation, dilation))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("output_padding", [0, 1])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("size", [(1, 8, 8), (3, 7, 12), (2, 1, 5), (2, 19, 4)])
def test_transposed_weight_gradient(output_padding: int, padding: int, size: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    batch, height, width = size
    image = torch.randn(batch, 3, height, width, dtype=torch.float64)
    weight = torch.randn(3, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    output = F.conv_transpose2d(image, weight, stride=2, padding=padding, output_padding=output_padding)
    gradient = torch.randn_like(output)
    (expected,) = torch.autograd.grad(output, weight, gradient)
    found = transposed_weight_gradient(image, gradient, weight.shape, (2, 2), (padding, padding))
    torch.testing.assert_close(found, expected)


def ours(output: torch.Tensor) -> bool:
    assert output.grad_fn is not None
    return output.grad_fn.name() in ("_ConvolutionBackward", "_TransposedBackward")


LAYERS = {
    "convolution": lambda: Conv2d(64, 64, 3, padding=2, dilation=2, bias=False),
    "transposed": lambda: ConvTranspose2d(64, 64, 3, stride=2, padding=1, output_padding=1, bias=False),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_those_of_torch(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    layer = LAYERS[name]().to(memory_format=torch.channels_last)
    image = torch.randn(2, 64, 9, 11).contiguous(memory_format=torch.channels_last).requires_grad_()
    found = {}
    for slow in (False, True):
        monkeypatch.setattr(convolution, "_SLOW_PROCESSOR", slow)
        output = layer(image)
        assert ours(output) == slow
        gradients = torch.autograd.grad((output * output.detach().sin()).sum(), [image, layer.weight])
        found[slow] = [output, *gradients]
    for one, other in zip(found[True], found[False], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)  # float32, sums of 2·9·11 products of size 10


def test_frozen_weights_have_no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolution, "_SLOW_PROCESSOR", True)
    layer = LAYERS["convolution"]().requires_grad_(False)
    image = torch.randn(1, 64, 8, 8).contiguous(memory_format=torch.channels_last).requires_grad_()
    layer(image).sum().backward()
    assert image.grad is not None
    assert layer.weight.grad is None


OTHERS = {
    "small": lambda: Conv2d(64, 64, 3, bias=False),
    "bias": lambda: Conv2d(64, 64, 3),
    "stride": lambda: Conv2d(64, 64, 3, stride=2, bias=False),
    "groups": lambda: Conv2d(128, 128, 3, groups=2, bias=False),
    "replicate": lambda: Conv2d(64, 64, 3, padding=1, padding_mode="replicate", bias=False),
    "narrow": lambda: Conv2d(64, 32, 3, bias=False),
    "narrow, transposed": lambda: ConvTranspose2d(64, 32, 3, bias=False),
    "dilated, transposed": lambda: ConvTranspose2d(64, 64, 3, dilation=2, bias=False),
}


@pytest.mark.parametrize("name", OTHERS)
def test_others_are_left_to_torch(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolution, "_SLOW_PROCESSOR", True)
    monkeypatch.setattr(convolution, "_SMALL", 65 if name == "small" else 1)
    layer = OTHERS[name]()
    image = torch.randn(1, layer.in_channels, 8, 8).contiguous(memory_format=torch.channels_last).requires_grad_()
    assert not ours(layer(image))
