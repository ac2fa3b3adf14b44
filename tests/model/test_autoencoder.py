import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fae.model.autoencoder import SDCAutoencoder


@pytest.mark.parametrize(("kernel_size", "parameters", "gflop"), [(3, 14_131_459, 304), (5, 22_782_211, 375)])
def test_reference_size(kernel_size: int, parameters: int, gflop: int) -> None:
    with torch.device("meta"):
        model = SDCAutoencoder(kernel_size).eval()
        image = torch.empty(1, 3, 512, 512)
    assert sum(p.numel() for p in model.parameters()) == parameters
    with FlopCounterMode(display=False) as counter:
        model(image)
    assert round(counter.get_total_flops() / 1e9) == gflop


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (2, 3, 24, 40), (1, 3, 33, 17), (1, 3, 1, 1), (3, 3, 5, 64)])
@pytest.mark.parametrize("padding_mode", ["zeros", "replicate"])
def test_any_size_and_shape(shape: tuple[int, ...], padding_mode: str) -> None:
    model = SDCAutoencoder(3, width=2, padding_mode=padding_mode).eval()  # type: ignore[arg-type]
    out = model(torch.rand(shape))
    assert out.shape == shape
    assert out.dtype == torch.float32
    assert out.min() >= 0
    assert out.max() <= 1


def test_a_multiple_of_eight_is_not_padded() -> None:
    torch.manual_seed(0)
    model = SDCAutoencoder(3, width=2).eval()
    image = torch.rand(1, 3, 16, 24)
    by_hand = model.decoder(model.bottleneck(model.encoder(image))).sigmoid()
    torch.testing.assert_close(model(image), by_hand, rtol=0, atol=0)


def test_padding_repeats_the_border() -> None:
    torch.manual_seed(0)
    model = SDCAutoencoder(3, width=2).eval()
    image = torch.rand(1, 3, 13, 16)
    padded = torch.cat([image, image[:, :, -1:].expand(-1, -1, 3, -1)], dim=2)
    torch.testing.assert_close(model(image), model(padded)[:, :, :13], rtol=0, atol=0)


def test_autocast_rounds_neither_the_image_nor_what_first_meets_it() -> None:
    torch.manual_seed(0)
    layer = SDCAutoencoder(3, width=4).encoder[0][0]
    image = torch.randint(256, (2, 3, 9, 7)) / 255
    exact = layer(image)
    with torch.autocast("cpu", torch.bfloat16):
        out = layer(image)
        rounded = torch.nn.functional.conv2d(image, layer.weight, padding=1)
    torch.testing.assert_close(out, exact.bfloat16(), rtol=0, atol=0)
    assert (rounded != out).any()  # what the library's own would do
    (gradient,) = torch.autograd.grad(out.float().sum(), layer.weight)
    torch.testing.assert_close(gradient, *torch.autograd.grad(exact.sum(), layer.weight))


@pytest.mark.parametrize(("kernel_size", "radius"), [(3, 1098), (5, 2122)])
def test_receptive_radius(kernel_size: int, radius: int) -> None:
    """How far a pixel's reconstruction can look; all weights positive and pools averaging, so that no path dies.

    Adding up the worst alignment of every stage, as if they could coincide, gives 7 px more: 1,105 and 2,129.
    """
    model = SDCAutoencoder(kernel_size, width=1).double().eval()
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            torch.nn.init.constant_(module.weight, 1.0)
    model.encoder = torch.nn.Sequential(
        *(torch.nn.AvgPool2d(2) if isinstance(m, torch.nn.MaxPool2d) else m for m in model.encoder)
    )
    side, reached = 2 * radius + 64, 0
    for centre in range(side // 2, side // 2 + 8):
        image = torch.ones(1, 3, 8, side, dtype=torch.float64, requires_grad=True)
        model.decoder[:-1](model.bottleneck(model.encoder(image)))[0, 0, 4, centre].backward()
        assert image.grad is not None
        columns = image.grad.abs().sum(dim=(0, 1, 2)).nonzero()
        reached = max(reached, int((columns - centre).abs().max()))
    assert reached == radius


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel_size": 4}, r"kernel_size \(=4\) must be 3 or 5"),
        ({"width": 0}, r"width \(=0\) must be at least 1"),
        ({"padding_mode": "mirror"}, r"padding_mode \(='mirror'\)"),
    ],
)
def test_wrong_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SDCAutoencoder(**arguments)
