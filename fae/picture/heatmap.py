"""Pictures of what a run found; OpenCV colours and outlines, Pillow writes."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from fae.data.index import Sample
from fae.machine.atomic import whole

_PANEL = 256  # px; smaller images are enlarged to it
_CAPTION = 18  # px
_GAP = 4  # px

Picture = NDArray[np.uint8]


def colour_limit(anomaly_map: Tensor) -> float:
    """The value that the brightest colour stands for in a whole run: the 99.9 % quantile of its maps."""
    pixels = anomaly_map.flatten()
    return float(pixels.kthvalue(max(1, round(0.999 * pixels.numel()))).values) or 1.0


def choose(image_score: NDArray[np.float32], count: int, seed: int) -> list[int]:
    """Positions of the images to show: half of them the most anomalous, half drawn from the rest."""
    order = np.argsort(-image_score, kind="stable").tolist()
    worst = order[: (count + 1) // 2]
    rest = np.random.default_rng(seed).permutation(order[len(worst) :]).tolist()
    return [*worst, *rest[: count - len(worst)]]


def colours(image: Picture, anomaly_map: NDArray[np.float32], limit: float) -> tuple[Picture, Picture]:
    """Colour a map, and lay it over its image.

    Args:
        image: `(H, W, 3)` uint8, RGB.
        anomaly_map: `(H, W)`, >= 0.
        limit: value of the brightest colour.

    Returns:
        heatmap and overlay, both like `image`.
    """
    strength = (anomaly_map / limit).clip(0, 1)
    level = np.asarray((strength * 255).round().astype(np.uint8))
    heat = np.asarray(cv2.cvtColor(cv2.applyColorMap(level, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB), dtype=np.uint8)
    alpha = 0.75 * np.sqrt(strength)[..., None]
    return heat, np.ascontiguousarray((image * (1 - alpha) + heat * alpha).round().astype(np.uint8))


def outline(picture: Picture, mask: NDArray[np.generic]) -> None:
    """Draw the green outline of a mask `(H, W)` into a picture of its size."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, contours, -1, (0, 255, 0), 1)


def render(
    image: Tensor, reconstruction: Tensor, anomaly_map: Tensor, mask: Tensor, limit: float, text: str
) -> Picture:
    """One picture: image, reconstruction, map, and the map laid over the image with the true outline in green.

    Args:
        image: `(3, H, W)` uint8.
        reconstruction: same.
        anomaly_map: `(1, H, W)`, >= 0.
        mask: `(1, H, W)` bool, the ground truth; empty where there is none.
        limit: value of the brightest colour.
        text: the caption.

    Returns:
        `(h, w, 3)` uint8, RGB.
    """
    height, width = image.shape[-2:]
    scale = max(1, -(-_PANEL // min(height, width)))
    size = (width * scale, height * scale)

    def enlarge(picture: Picture, method: int = cv2.INTER_CUBIC) -> Picture:
        return np.asarray(cv2.resize(picture, size, interpolation=method), dtype=np.uint8)

    shown = enlarge(image.permute(1, 2, 0).numpy())
    heat, overlay = colours(shown, cv2.resize(anomaly_map[0].numpy(), size, interpolation=cv2.INTER_LINEAR), limit)
    outline(overlay, enlarge(mask[0].numpy().astype(np.uint8), cv2.INTER_NEAREST))
    gap = np.full((size[1], _GAP, 3), 255, np.uint8)
    panels = [shown, gap, enlarge(reconstruction.permute(1, 2, 0).numpy()), gap, heat, gap, overlay]
    row = np.hstack(panels)
    caption = Image.new("RGB", (row.shape[1], _CAPTION), "white")
    ImageDraw.Draw(caption).text((4, 3), text, fill="black")
    return np.asarray(np.vstack([np.asarray(caption), row]), dtype=np.uint8)


def write_heatmaps(
    folder: Path,
    samples: tuple[Sample, ...],
    chosen: list[int],
    image: Tensor,
    reconstruction: Tensor,
    anomaly_map: Tensor,
    mask: Tensor,
    image_score: NDArray[np.float32],
) -> list[Path]:
    """Write one PNG file for each chosen image; all share one colour scale. Shapes as in `render`, stacked."""
    folder.mkdir(exist_ok=True)
    limit = colour_limit(anomaly_map) if len(anomaly_map) else 1.0
    paths = []
    for rank, i in enumerate(chosen):
        name = f"{samples[i].defect_type}/{samples[i].path.stem}"
        text = f"{name}   score {image_score[i]:.4g}   image | reconstruction | map, 0 to {limit:.2g} | overlay"
        picture = render(image[i], reconstruction[i], anomaly_map[i], mask[i], limit, text)
        path = folder / f"{rank:02d}-{name.replace('/', '-')}.png"
        with whole(path) as draft:
            Image.fromarray(picture).save(draft, format="PNG")
        paths.append(path)
    return paths
