"""Heatmaps of single test images: image, reconstruction, map and overlay side by side. Pillow writes the files."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fae.machine.atomic import whole
from fae.picture.panel import (
    Picture,
    Shown,
    beside,
    dim,
    heat,
    outline,
    overlay,
    picture,
    scaled,
    scaled_map,
    scaled_mask,
)

_PANEL = 256  # px; smaller images are enlarged to at least this side
_CAPTION = 18  # px


def choose(image_score: NDArray[np.float32], count: int, seed: int) -> list[int]:
    """Return positions of images to show: half are the most anomalous images, half are drawn from the rest."""
    order = np.argsort(-image_score, kind="stable").tolist()
    worst = order[: (count + 1) // 2]
    rest = np.random.default_rng(seed).permutation(order[len(worst) :]).tolist()
    return [*worst, *rest[: count - len(worst)]]


def render(shown: Shown, i: int, limit: float) -> Picture:
    """Draw one test image: image, reconstruction, map, overlay with the true outline in green, and each level alone.

    Args:
        shown: scored test images, with reconstructions.
        i: position of the image.
        limit: map value that gets the brightest colour, > 0.
    """
    assert shown.reconstruction is not None
    height, width = shown.image.shape[-2:]
    scale = max(1, -(-_PANEL // min(height, width)))
    size = (width * scale, height * scale)
    image, anomaly_map = scaled(picture(shown.image[i]), size), scaled_map(shown.anomaly_map[i, 0].numpy(), size)
    over = overlay(image, anomaly_map, limit)
    if shown.roi is not None:
        roi = scaled_mask(shown.roi[i, 0].numpy(), size)
        dim(over, roi)
        dim(image, roi)
    outline(over, scaled_mask(shown.mask[i, 0].numpy(), size))
    row = [image, scaled(picture(shown.reconstruction[i]), size), heat(anomaly_map, limit), over]
    columns = f"image | {shown.shows} | map, 0 to {limit:.2g} | overlay"
    captioned = [_captioned(f"{shown.names[i]}   {shown.score(i)}   {columns}", row)]
    if shown.parts:
        alone = [heat(scaled_map(part.anomaly_map[i, 0].numpy(), size), part.limit) for part in shown.parts]
        captioned.append(_captioned(f"alone: {' | '.join(part.name for part in shown.parts)}", alone))
    widest = max(one.shape[1] for one in captioned)
    rows = [np.pad(one, ((0, 0), (0, widest - one.shape[1]), (0, 0)), constant_values=255) for one in captioned]
    return np.asarray(np.vstack(rows), dtype=np.uint8)


def _captioned(words: str, pictures: list[Picture]) -> Picture:
    row = beside(pictures)
    caption = Image.new("RGB", (row.shape[1], _CAPTION), "white")
    ImageDraw.Draw(caption).text((4, 3), words, fill="black")
    return np.asarray(np.vstack([np.asarray(caption), row]), dtype=np.uint8)


def write_heatmaps(folder: Path, shown: Shown, chosen: list[int]) -> list[Path]:
    """Write a PNG file for each chosen image; all share one colour scale.

    Args:
        folder: folder for the files; it is created if it is missing.
        shown: scored test images, with reconstructions.
        chosen: positions of the images to write.

    Returns:
        the paths of the files, in the order of `chosen`.
    """
    folder.mkdir(exist_ok=True)
    limit = shown.limit
    paths = []
    for rank, i in enumerate(chosen):
        path = folder / f"{rank:02d}-{shown.names[i].replace('/', '-')}.png"
        with whole(path) as draft:
            Image.fromarray(render(shown, i, limit)).save(draft, format="PNG")
        paths.append(path)
    return paths
