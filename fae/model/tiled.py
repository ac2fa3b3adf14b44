from collections.abc import Callable, Iterator
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from fae.model.autoencoder import STRIDE, SDCAutoencoder

Box = tuple[slice, slice]
Margin = tuple[int, int]

# How far (before, after) tile [8a, 8b) looks beyond itself, in pixels, up to a multiple of the stride.
# Encoder: two 3×3 convolutions reach 2 at resolutions 1, 1/2 and 1/4 each; pooling stays inside its cell:
# 2 + 4 + 8 = 14 px on either side.
# Decoder, backwards; its transposed convolutions compute output o from inputs floor(o / 2) and ceil(o / 2):
#                      needed       with two 3×3 convolutions
#   resolution 1    8a … 8b - 1       8a - 2 … 8b + 1
#   resolution 1/2  4a - 1 … 4b + 1   4a - 3 … 4b + 3
#   resolution 1/4  2a - 2 … 2b + 2   2a - 4 … 2b + 4
#   resolution 1/8  a - 2 … b + 2     : two cells before the first, a, and three after the last, b - 1.
ENCODER_MARGIN = (2 * STRIDE, 2 * STRIDE)
DECODER_MARGIN = (2 * STRIDE, 3 * STRIDE)


def reconstruct_tiled(
    model: SDCAutoencoder,
    image: Tensor,
    tile: int,
    encoder_margin: Margin = ENCODER_MARGIN,
    decoder_margin: Margin = DECODER_MARGIN,
) -> Tensor:
    """What `model(image)` computes, with the full-resolution layers run tile by tile.

    Equal up to rounding. Encoder and decoder, whose reach is short, see one tile and its margin at a time; the
    bottleneck, whose reach is long, sees the whole image at 1/8 resolution. Only the output and the bottleneck's
    features grow with the image, unless gradients are recorded: run it under `torch.inference_mode()`.

    Args:
        model: in eval mode; batch norm's training statistics would differ from tile to tile.
        image: `(B, 3, H, W)`, in [0, 1].
        tile: side of a tile without its margin, in pixels, a multiple of 8. The margins, 40 px in all, add up
            to about 16 % to the work of the tiled layers with 512, 34 % with 256.
        encoder_margin: how far the encoder sees before and after a tile, in pixels, multiples of 8. The default is the
            smallest that is exact.
        decoder_margin: how far the decoder sees before and after a tile, in pixels, multiples of 8. The default is the
            smallest that is exact.

    Returns:
        same shape and memory format, float32, in [0, 1].

    Raises:
        ValueError: `tile` is no positive multiple of 8.
    """
    check_tile(tile)
    features = _encode(model, image, tile, encoder_margin)
    for stage in model.bottleneck:  # not in one call, which would keep the encoder's features to its end
        features = stage(features)
    reconstruction = torch.empty_like(image, dtype=torch.float32)
    for core, window, inner in _tiles(image, tile, *decoder_margin):
        part = reconstruction[..., *core]
        logits = model.decoder(features[..., *_cells(window)])[..., *inner]
        part.copy_(logits[..., : part.shape[-2], : part.shape[-1]].float().sigmoid())
    return reconstruction


def reconstruct_overlapping(model: Callable[[Tensor], Tensor], image: Tensor, tile: int, overlap: int) -> Tensor:
    """The usual overlapping tiles, for comparison: the whole network on each tile and its surroundings.

    Not exact: a pixel's reconstruction looks 1,098 px far with 3×3 and 2,122 px with 5×5 dilated kernels, so a
    smaller overlap cuts off what the network sees and shows it a border where the image has none.

    Args:
        model: maps `(B, 3, h, w)` in [0, 1] to the same shape, any size; in eval mode.
        image: `(B, 3, H, W)`, in [0, 1].
        tile: side of a tile's core, in pixels, a multiple of 8.
        overlap: how much of its surroundings a tile sees on every side, clipped at the image border, in pixels,
            a multiple of 8, >= 0.

    Returns:
        same shape and memory format, float32, in [0, 1].

    Raises:
        ValueError: `tile` is no positive multiple of 8, or `overlap` no multiple of 8 or negative.
    """
    check_tile(tile, overlap)
    reconstruction = torch.empty_like(image, dtype=torch.float32)
    for core, window, inner in _tiles(image, tile, overlap, overlap):
        reconstruction[..., *core] = model(image[..., *window])[..., *inner]
    return reconstruction


def _encode(model: SDCAutoencoder, image: Tensor, tile: int, margin: Margin) -> Tensor:
    """`(B, 3, H, W)` to `(B, C, ceil(H / 8), ceil(W / 8))`, in the encoder's own dtype and memory format."""
    height, width = (-(-size // STRIDE) for size in image.shape[-2:])
    features = None
    for core, window, inner in _tiles(image, tile, *margin):
        part = image[..., *window]
        # Only windows at the lower and right border are padded: all others have sides that are multiples of 8.
        padding = (0, -part.shape[-1] % STRIDE, 0, -part.shape[-2] % STRIDE)
        encoded = model.encoder(F.pad(part, padding, mode="replicate") if any(padding) else part)
        if features is None:
            channels_last = encoded.is_contiguous(memory_format=torch.channels_last)
            features = torch.empty(
                (*encoded.shape[:2], height, width),
                dtype=encoded.dtype,
                device=encoded.device,
                memory_format=torch.channels_last if channels_last else torch.contiguous_format,
            )
        features[..., *_cells(core)] = encoded[..., *_cells(inner)]
    assert features is not None, "an image has at least one tile"
    return features


def _tiles(image: Tensor, tile: int, before: int, after: int) -> Iterator[tuple[Box, Box, Box]]:
    """The tiles that cover an image: core, window (core and margins), and the core as seen from its window.

    All in pixels and multiples of the stride. They may end beyond the image, where indexing clips them.
    """
    for top, left in product(*(range(0, size, tile) for size in image.shape[-2:])):
        y, x = max(top - before, 0), max(left - before, 0)
        core = slice(top, top + tile), slice(left, left + tile)
        window = slice(y, top + tile + after), slice(x, left + tile + after)
        inner = slice(top - y, top - y + tile), slice(left - x, left - x + tile)
        yield core, window, inner


def _cells(pixels: Box) -> Box:
    rows, columns = (slice(side.start // STRIDE, side.stop // STRIDE) for side in pixels)
    return rows, columns


def check_tile(tile: int, overlap: int = 0) -> None:
    """Check the side of tiles and their overlap, in pixels.

    Raises:
        ValueError: `tile` is no positive multiple of 8, or `overlap` no multiple of 8 or negative.
    """
    _check("tile", tile, minimum=STRIDE)
    _check("overlap", overlap, minimum=0)


def _check(name: str, value: int, minimum: int) -> None:
    if value < minimum or value % STRIDE:
        use = max(minimum, -(-value // STRIDE) * STRIDE)
        raise ValueError(f"{name} (={value}) must be a multiple of {STRIDE} and at least {minimum}; use {use}")
