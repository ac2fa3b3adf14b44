import weakref
from collections.abc import Callable, Iterator
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from fae.model.autoencoder import PADDING_MODES, SDCAutoencoder
from fae.model.tiled import DECODER_MARGIN, ENCODER_MARGIN, reconstruct_overlapping, reconstruct_tiled

WIDTH = 4
# Convolutions sum in another order when the size differs: up to 1.8e-7 was seen.
ROUNDING = 2e-6
# A wrong margin or border must be told from rounding. The least that was seen is 7e-4.
DEVIATION = 1e-4


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


@cache
def alive(kernel_size: int = 3, padding_mode: str = "zeros") -> SDCAutoencoder:
    """Away from initialisation, and no layer dead: the statistics are those of the random scales and shifts."""
    with torch.random.fork_rng(), torch.inference_mode(False), torch.no_grad():
        torch.manual_seed(0)
        model = SDCAutoencoder(kernel_size, WIDTH, padding_mode)  # type: ignore[arg-type]
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, std=0.3)
                module.momentum = 0.5
        model.decoder[-1].weight *= 3
        for _ in range(3):
            model.train()(torch.rand(2, 3, 64, 64))
    return model.eval()


def textures(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def deviation(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max())


@pytest.mark.parametrize("tile", [8, 16, 40, 128])
@pytest.mark.parametrize("shape", [(1, 3, 93, 72), (2, 3, 64, 41), (1, 3, 7, 50), (1, 3, 1, 1)])
@pytest.mark.parametrize("kernel_size", [3, 5])
@pytest.mark.parametrize("padding_mode", PADDING_MODES)
def test_tiled_equals_native(padding_mode: str, kernel_size: int, shape: tuple[int, ...], tile: int) -> None:
    model, image = alive(kernel_size, padding_mode), textures(*shape)
    before = image.clone()
    out = reconstruct_tiled(model, image, tile)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, model(image), rtol=0, atol=ROUNDING)
    torch.testing.assert_close(image, before, rtol=0, atol=0)


@pytest.mark.parametrize("padding_mode", PADDING_MODES)
@pytest.mark.parametrize(("part", "margin"), [("encoder_margin", ENCODER_MARGIN), ("decoder_margin", DECODER_MARGIN)])
@pytest.mark.parametrize("side", [0, 1])
def test_no_margin_can_be_smaller(padding_mode: str, part: str, margin: tuple[int, int], side: int) -> None:
    model, image = alive(3, padding_mode), textures(1, 3, 93, 72)
    smaller = (margin[0] - 8, margin[1]) if side == 0 else (margin[0], margin[1] - 8)
    assert deviation(reconstruct_tiled(model, image, 16, **{part: smaller}), model(image)) > DEVIATION


def largest(model: SDCAutoencoder, run: Callable[[], Tensor]) -> int:
    """Elements of the largest tensor that goes into or comes out of a layer of the encoder or decoder."""
    sizes = []

    def record(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        sizes.extend([inputs[0].numel(), output.numel()])

    layers = [layer for part in (model.encoder, model.decoder) for layer in part.modules()]
    hooks = [layer.register_forward_hook(record) for layer in layers]
    run()
    for hook in hooks:
        hook.remove()
    return max(sizes)


def test_memory_of_encoder_and_decoder_does_not_grow_with_the_image() -> None:
    model, tile = alive(), 16
    small, large = textures(1, 3, 96, 96), textures(1, 3, 136, 200)
    bound = WIDTH * (tile + sum(DECODER_MARGIN)) ** 2
    assert largest(model, lambda: reconstruct_tiled(model, small, tile)) == bound
    assert largest(model, lambda: reconstruct_tiled(model, large, tile)) == bound
    assert largest(model, lambda: model(large)) == WIDTH * 136 * 200


def test_features_of_the_encoder_are_freed_after_the_first_stage() -> None:
    model, encoded, kept = alive(), [], []
    hooks = [
        model.bottleneck[0].register_forward_pre_hook(lambda _, inputs: encoded.append(weakref.ref(inputs[0]))),
        model.bottleneck[1].register_forward_pre_hook(lambda *_: kept.append(encoded[0]() is not None)),
    ]
    reconstruct_tiled(model, textures(1, 3, 16, 16), 8)
    for hook in hooks:
        hook.remove()
    assert kept == [False]


@pytest.mark.parametrize("channels_last", [False, True])
def test_memory_format_is_kept(channels_last: bool) -> None:
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model, image = alive(), textures(2, 3, 37, 40).contiguous(memory_format=layout)
    seen = []
    hook = model.bottleneck[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    outs = [reconstruct_tiled(model, image, 16), reconstruct_overlapping(model, image, 16, 64)]
    hook.remove()
    for tensor in (*outs, seen[0]):
        assert tensor.is_contiguous(memory_format=layout)
    for out in outs:
        torch.testing.assert_close(out, model(image), rtol=0, atol=ROUNDING)


def test_autocast() -> None:
    model, image = alive(), textures(1, 3, 40, 61)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out, native = reconstruct_tiled(model, image, 16), model(image)
    assert out.dtype == torch.float32
    # The same operations on the same bfloat16 values: nearer to each other than bfloat16 is to float32.
    assert deviation(out, native) < deviation(native, model(image)) / 2


def test_other_devices_and_dtypes() -> None:
    # A tensor made on another device would raise.
    model = SDCAutoencoder(3, WIDTH).eval().to("meta")
    image = torch.empty(1, 3, 37, 40, device="meta")
    for out in (reconstruct_tiled(model, image, 16), reconstruct_overlapping(model, image, 16, 8)):
        assert out.is_meta
        assert out.shape == image.shape
    model, image = SDCAutoencoder(3, WIDTH).eval().double(), textures(1, 3, 37, 40).double()
    assert reconstruct_tiled(model, image, 16).dtype == torch.float32


@pytest.mark.parametrize("padding_mode", PADDING_MODES)
def test_overlap_as_large_as_the_image_equals_native(padding_mode: str) -> None:
    model, image = alive(3, padding_mode), textures(2, 3, 61, 40)
    out = reconstruct_overlapping(model, image, 16, 64)
    torch.testing.assert_close(out, model(image), rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("overlap", [0, 8, 32])
def test_small_overlap_deviates(overlap: int) -> None:
    model, image = alive(), textures(1, 3, 93, 72)
    assert deviation(reconstruct_overlapping(model, image, 16, overlap), model(image)) > DEVIATION


@pytest.mark.parametrize("overlap", [0, 8, 24])
@pytest.mark.parametrize("shape", [(1, 3, 93, 72), (2, 3, 5, 41), (1, 3, 1, 1)])
def test_overlapping_tiles_cover_the_image_once(shape: tuple[int, ...], overlap: int) -> None:
    image, windows = textures(*shape), []

    def identity(window: Tensor) -> Tensor:
        windows.append(window.shape[-2:])
        return window

    torch.testing.assert_close(reconstruct_overlapping(identity, image, 16, overlap), image, rtol=0, atol=0)
    assert len(windows) == -(-shape[2] // 16) * -(-shape[3] // 16)
    assert max(max(sides) for sides in windows) == min(16 + 2 * overlap, max(shape[2:]))


@pytest.mark.parametrize(
    ("tile", "message"),
    [
        (12, r"tile \(=12\) must be a multiple of 8 and at least 8; use 16"),
        (0, r"tile \(=0\) .* use 8"),
        (-8, r"tile \(=-8\) .* use 8"),
    ],
)
def test_wrong_tile(tile: int, message: str) -> None:
    image = textures(1, 3, 16, 16)
    with pytest.raises(ValueError, match=message):
        reconstruct_tiled(alive(), image, tile)
    with pytest.raises(ValueError, match=message):
        reconstruct_overlapping(alive(), image, tile, 8)


@pytest.mark.parametrize(
    ("overlap", "message"),
    [
        (20, r"overlap \(=20\) must be a multiple of 8 and at least 0; use 24"),
        (-8, r"overlap \(=-8\) .* use 0"),
    ],
)
def test_wrong_overlap(overlap: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        reconstruct_overlapping(alive(), textures(1, 3, 16, 16), 16, overlap)
