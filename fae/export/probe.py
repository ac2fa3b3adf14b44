"""Image files as a camera writes them, by which any reader of an export can tell whether it reads and scores alike."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fae.data.index import Sample
from fae.detector import Detector
from fae.export.graph import Graph
from fae.export.source import Images, Source
from fae.image import Array, ReadImage
from fae.image.opened import FULL_16

FOLDER = "probes"
COUNT = 8
_ORIENTATION = 0x0112
"""The EXIF tag that tells how to turn an image."""


def chosen(images: Images) -> list[Sample]:
    """Choose images evenly from the least to the most anomalous."""
    order = images.score.argsort().tolist()
    places = np.linspace(0, len(order) - 1, COUNT).round().astype(int)
    return [images.split.samples[order[place]] for place in places]


def write_probes(folder: Path, samples: Sequence[Sample], read: ReadImage, multiple_of: int) -> list[Path]:
    """Write each image in another way: as a camera, a scanner or a converter would.

    Args:
        folder: folder of the export; the files go to its sub-folder `probes`.
        samples: images to write.
        read: decoder of the run.
        multiple_of: number of pixels whose multiples the sides are cut to.
    """
    (folder / FOLDER).mkdir()
    full = FULL_16 if read.bit_depth is None else 2**read.bit_depth - 1
    written = []
    for i, (sample, write) in enumerate(zip(samples, _ways(full), strict=True)):
        pixels = read(sample.path).rgb
        height, width = (side // multiple_of * multiple_of for side in pixels.shape[:2])
        written.append(write(pixels[:height, :width], folder / FOLDER / f"{i:02d}"))
    return written


def _ways(full: int) -> list[Callable[[Array, Path], Path]]:
    return [
        lambda pixels, path: _saved(Image.fromarray(pixels), path.with_suffix(".png")),
        lambda pixels, path: _saved(Image.fromarray(pixels), path.with_suffix(".jpg"), quality=95),
        lambda pixels, path: _turned(pixels, path.with_suffix(".jpg"), 6, 1),
        lambda pixels, path: _turned(pixels, path.with_suffix(".jpg"), 3, 2),
        lambda pixels, path: _saved(Image.fromarray(pixels).convert("L"), path.with_suffix(".png")),
        lambda pixels, path: _saved(Image.fromarray(pixels).convert("RGBA"), path.with_suffix(".png")),
        lambda pixels, path: _deep(pixels, path.with_suffix(".png"), full),
        lambda pixels, path: _saved(Image.fromarray(pixels), path.with_suffix(".tif"), compression="tiff_lzw"),
    ]


def _saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def _turned(pixels: Array, path: Path, orientation: int, quarters: int) -> Path:
    """Write an image turned, with the tag that turns it back."""
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    return _saved(Image.fromarray(np.rot90(pixels, quarters)), path, quality=95, exif=exif)


def _deep(pixels: Array, path: Path, full: int) -> Path:
    """Write a grey image with the bits that the run's camera fills."""
    grey = np.asarray(Image.fromarray(pixels).convert("L"), dtype=np.float64)
    return _saved(Image.fromarray(np.round(grey * (full / 255)).astype(np.uint16)), path)


class GraphDetector(Detector):
    """A detector that scores by a graph in PyTorch, in float32."""

    def __init__(self, graph: Graph, source: Source, size: str, threshold: float | None) -> None:
        run, reader = source.run, source.run.data.reader
        super().__init__(
            levels=run.module.network,
            score=run.score,
            image_size=source.size,
            aspect=None if run.cfg.data.image_size is None else reader.aspect,
            thresholds=(threshold, None),
            colour_limit=1.0,
            identity="",
            size=size,
            read=reader.read,
            roi=None if reader.regions is None else reader.regions.common,
        )
        self.graph, self.content = graph, source.content and size == "run"

    def judge(self, image: Tensor, inside: Tensor, by_region: bool) -> tuple[Tensor, Tensor]:
        """See `Detector.judge`."""
        limit = torch.tensor(torch.inf)
        with torch.inference_mode():
            maps, score, *_ = self.graph(image, limit, limit, inside.squeeze(1) if self.content else None)
        return maps.unsqueeze(1), score


def told(detector: GraphDetector, files: Sequence[Path]) -> list[dict[str, Any]]:
    """Return what PyTorch says of each file, for metadata.json."""
    rows = []
    for file in files:
        found = detector(file)
        rows.append(
            {
                "file": f"{FOLDER}/{file.name}",
                "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
                "height": found.anomaly_map.shape[0],
                "width": found.anomaly_map.shape[1],
                "score": found.score,
                "anomalous": found.anomalous,
                "map_max": float(found.anomaly_map.max()),
            }
        )
    return rows
