from collections.abc import Callable, Iterator
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from fae.model.autoencoder import STRIDE, SDCAutoencoder

Box = tuple[slice, slice]
Margin = tuple[int, int]

# The margins (before, after) say how far the tile [8a, 8b) looks beyond itself, in pixels, rounded up to multiples of
# the stride.
# Encoder: at each of the resolutions 1, 1/2 and 1/4 two 3×3 convolutions reach 2 cells far, and pooling stays inside
# its cell. Together they reach 2 + 4 + 8 = 14 px on either side.
# Decoder: the table runs backwards from the output. A transposed convolution computes its output o from the inputs
# floor(o / 2) and ceil(o / 2):
#                      needed       with two 3×3 convolutions
#   resolution 1    8a … 8b - 1       8a - 2 … 8b + 1
#   resolution 1/2  4a - 1 … 4b + 1   4a - 3 … 4b + 3
#   resolution 1/4  2a - 2 … 2b + 2   2a - 4 … 2b + 4
#   resolution 1/8  a - 2 … b + 2
# The last line means two cells before the first cell, a, and three cells after the last cell, b - 1.
ENCODER_MARGIN = (2 * STRIDE, 2 * STRIDE)
DECODER_MARGIN = (2 * STRIDE, 3 * STRIDE)


def reconstruct_tiled(
    model: SDCAutoencoder,
    image: Tensor,
    tile: int,
    encoder_margin: Margin = ENCODER_MARGIN,
    decoder_margin: Margin = DECODER_MARGIN,
) -> Tensor:
    """Compute `model(image)`, up to rounding, but run the layers outside the bottleneck tile by tile.

    Encoder and decoder have a short reach, and see one tile and its margin at a time. The bottleneck has a long reach,
    and sees the whole image at 1/8 resolution. Only the output and the bottleneck's features grow with the image,
    unless gradients are recorded: call this function under `torch.inference_mode()`.

    Args:
        model: network in eval mode; batch norm's training statistics would differ from tile to tile.
        image: `(B, 3, H, W)` images in [0, 1].
        tile: side of a tile without its margin, in pixels, a multiple of 8. The margins, 40 px in all, add up
            to about 16 % to the work of the tiled layers if `tile` is 512, and 34 % if it is 256.
        encoder_margin: distances that the encoder sees before and after a tile, in pixels, multiples of 8. The default
            holds the smallest distances that give the exact result.
        decoder_margin: distances that the decoder sees before and after a tile, in pixels, multiples of 8. The default
            holds the smallest distances that give the exact result.

    Returns:
        the reconstruction, `(B, 3, H, W)` float32 in [0, 1], in the memory format of `image`.

    Raises:
        ValueError: `tile` is not a positive multiple of 8.
    """
    check_tile(tile)
    features = _encode(model, image, tile, encoder_margin)
    for stage in model.bottleneck:  # a single call would keep the encoder's features in memory until its end
        features = stage(features)
    reconstruction = torch.empty_like(image, dtype=torch.float32)
    for core, window, inner in _tiles(image, tile, *decoder_margin):
        part = reconstruction[..., *core]
        logits = model.decoder(features[..., *_cells(window)])[..., *inner]
        part.copy_(logits[..., : part.shape[-2], : part.shape[-1]].float().sigmoid())
    return reconstruction


def reconstruct_overlapping(model: Callable[[Tensor], Tensor], image: Tensor, tile: int, overlap: int) -> Tensor:
    """Run the whole network on each tile and its surroundings: the usual overlapping tiles, for comparison.

    The result is not exact. A pixel's reconstruction depends on pixels up to 1,098 px away with 3×3 dilated kernels,
    and up to 2,122 px away with 5×5 kernels. A smaller overlap hides some of these pixels from the network, and shows
    the network a border where the image has none.

    Args:
        model: network in eval mode that maps `(B, 3, h, w)` in [0, 1] to the same shape, for any size.
        image: `(B, 3, H, W)` images in [0, 1].
        tile: side of a tile's core, in pixels, a multiple of 8.
        overlap: width of the surroundings that a tile sees on every side, in pixels, a multiple of 8, >= 0; the
            surroundings end at the image border.

    Returns:
        the reconstruction, `(B, 3, H, W)` float32 in [0, 1], in the memory format of `image`.

    Raises:
        ValueError: `tile` is not a positive multiple of 8, or `overlap` is negative or not a multiple of 8.
    """
    check_tile(tile, overlap)
    reconstruction = torch.empty_like(image, dtype=torch.float32)
    for core, window, inner in _tiles(image, tile, overlap, overlap):
        reconstruction[..., *core] = model(image[..., *window])[..., *inner]
    return reconstruction


def _encode(model: SDCAutoencoder, image: Tensor, tile: int, margin: Margin) -> Tensor:
    """Encode `(B, 3, H, W)` to `(B, C, ceil(H / 8), ceil(W / 8))`, in the encoder's own dtype and memory format."""
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
    """Yield the tiles that cover an image: the core, the window (core and margins), and the core's place in its window.

    All bounds are multiples of the stride, in pixels. A tile may end beyond the image, where indexing clips it.
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
        ValueError: `tile` is not a positive multiple of 8, or `overlap` is negative or not a multiple of 8.
    """
    _check("tile", tile, minimum=STRIDE)
    _check("overlap", overlap, minimum=0)


def _check(name: str, value: int, minimum: int) -> None:
    if value < minimum or value % STRIDE:
        use = max(minimum, -(-value // STRIDE) * STRIDE)
        raise ValueError(f"{name} (={value}) must be a multiple of {STRIDE} and at least {minimum}; use {use}")
