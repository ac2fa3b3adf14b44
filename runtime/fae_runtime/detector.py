import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fae_runtime.engine import Engine, choose, start
from fae_runtime.export import Export, read_export
from fae_runtime.fit import Size, content_size, fit, fit_region, resized
from fae_runtime.read import Array, read_image

Region = NDArray[np.bool_]


class Detection(NamedTuple):
    """The result of a detector for one image."""

    anomaly_map: NDArray[np.float32]
    """`(H, W)` map in the image's own pixels; higher means more anomalous."""
    score: float
    anomalous: bool | None
    """Whether the score exceeds the threshold for images; None if there is no threshold."""
    mask: NDArray[np.bool_] | None
    """`(H, W)` mask, True where the map exceeds the threshold for pixels; None if there is no threshold."""


class Detector:
    """Scores images by an exported graph, with the scores that the run has in PyTorch.

    Several threads may share a detector.

    Args:
        export: content of an export's folder.
        engine: engine that runs its graph.

    Attributes:
        metadata: the content of metadata.json.
        identity: sixteen hexadecimal digits of all files of the export.
        image_threshold: image score above which an image is anomalous, or None; it may be set.
        pixel_threshold: map value above which a pixel is anomalous, or None; it may be set.
        normals: sorted image scores `(N,)` of the normal images that training held out.
        colour_limit: map value of the brightest colour in pictures.
    """

    def __init__(self, export: Export, engine: Engine) -> None:
        self.metadata: dict[str, Any] = export.metadata
        self.identity = export.identity
        self.image_threshold: float | None = self.metadata["thresholds"]["image"]
        self.pixel_threshold: float | None = self.metadata["thresholds"]["pixel"]
        self.normals: NDArray[np.float64] = np.sort(np.array(self.metadata["normals"], np.float64))
        self.colour_limit: float = self.metadata["colour_limit"]
        self._image: dict[str, Any] = self.metadata["image"]
        self._region, self._engine = export.region, engine

    @classmethod
    def load(cls, folder: Path | str, engine: str | None = None, threads: int | None = None) -> "Detector":
        """Load an export, after its files were compared with their digests.

        Args:
            folder: folder that `fae.export` wrote.
            engine: "onnxruntime" or "openvino"; None takes onnxruntime if it is installed and the export allows it,
                and else openvino.
            threads: number of threads, >= 1; None leaves it to the engine.

        Raises:
            FileNotFoundError: the folder holds no finished export.
            ImportError: the engine is not installed.
            ValueError: the export has another format, a file was changed, or an argument is wrong.
        """
        export = read_export(Path(folder))
        return cls(export, start(choose(engine, export.metadata["engines"]), export.model, threads))

    def __call__(self, image: Array | Path | str, roi: Region | None = None) -> Detection:
        """Score one image.

        Args:
            image: path of an image file, or uint8 array `(H, W, 3)` in RGB or `(H, W)` in grey.
            roi: bool array `(H, W)`, True where the image is judged; for exports that judge a region of each image.

        Raises:
            ValueError: the file is no image, or image or region have an unsuitable shape, size or type.
        """
        pixels = self.read(image) if isinstance(image, str | Path) else image
        (found,) = self.batch([pixels], None if roi is None else [roi])
        return found

    def batch(self, images: Sequence[Array], rois: Sequence[Region] | None = None) -> list[Detection]:
        """Score several images together, which is faster than one by one; the scores may differ by rounding.

        Args:
            images: uint8 arrays `(H, W, 3)` in RGB or `(H, W)` in grey. Their sizes may differ, unless the export
                takes images as they are.
            rois: a region for each image, see `__call__`.

        Raises:
            ValueError: image or region have an unsuitable shape, size or type, or a map holds NaN.
        """
        if not images:
            return []
        pixels = [_as_rgb(image) for image in images]
        regions = self._regions(pixels, rois)
        sizes = [(one.shape[0], one.shape[1]) for one in pixels]
        targets = [self._target(size) for size in sizes]
        if len(set(targets)) > 1:
            raise ValueError(f"images have {len(set(targets))} sizes; score each size by itself")
        target, aspect = targets[0], self._image["aspect"] or "stretch"
        contents = [content_size(size, target, aspect) for size in sizes]
        inputs: dict[str, NDArray[Any]] = {
            "image": np.stack([fit(one, target, content) for one, content in zip(pixels, contents, strict=True)])
        }
        if self._image["content"]:
            parts = zip(sizes, contents, regions, strict=True)
            inputs["content"] = np.stack([self._judged(target, *part) for part in parts])
        maps, scores = self._engine(inputs)
        if np.isnan(maps).any():
            raise ValueError("the map holds NaN; export the run again, and look for NaN in its weights")
        found = zip(maps, scores, contents, sizes, regions, strict=True)
        return [
            self._detection(one[:height, :width], float(score), size, region)
            for one, score, (height, width), size, region in found
        ]

    def read(self, path: Path | str) -> Array:
        """Decode an image file to RGB `(H, W, 3)` uint8 as the run did, with its bit depth and its rule for pages.

        Raises:
            ValueError: the file is no image, or holds values beyond the run's bit depth; see
                `fae_runtime.read.read_image`.
        """
        return read_image(path, self._image["bit_depth"], self._image["pages"])

    def percent(self, score: float) -> float | None:
        """Return how anomalous a score is, from 0 to 100.

        It is 50 at the threshold for images and about 5 for a typical good image. It is None if there is no threshold.
        """
        width = self.metadata["percent"]["width"]
        if width is None or self.image_threshold is None:
            return None
        return 50 * (1 + math.tanh((score - self.image_threshold) / width / 2))

    def _detection(
        self, anomaly_map: NDArray[np.float32], score: float, size: Size, region: Region | None
    ) -> Detection:
        anomaly_map = resized(anomaly_map, size)
        if region is not None:
            anomaly_map = np.where(region, anomaly_map, np.float32(0))
        return Detection(
            anomaly_map,
            score,
            None if self.image_threshold is None else score > self.image_threshold,
            None if self.pixel_threshold is None else anomaly_map > self.pixel_threshold,
        )

    def _target(self, size: Size) -> Size:
        """Return the size that an image is brought to."""
        image, (height, width) = self._image, size
        if image["size"] == "native":
            step = image["multiple_of"]
            if height % step or width % step:
                smaller, larger = (height // step * step, width // step * step), (-(-height // step), -(-width // step))
                raise ValueError(
                    f"the image has {height}×{width} pixels, but this export takes sides that are multiples of {step}; "
                    f"cut it to {smaller[0]}×{smaller[1]}, or pad it to {larger[0] * step}×{larger[1] * step}"
                )
            return size
        target = (image["height"], image["width"])
        if image["aspect"] is None and size != target:
            raise ValueError(
                f"the image has {height}×{width} pixels, but the images of training have {target[0]}×{target[1]} and "
                "were not resized; bring the image to that size, or export the run with size=native if its pixels have "
                "the scale of the training images"
            )
        return target

    def _judged(self, target: Size, size: Size, content: Size, region: Region | None) -> Region:
        """Return the part of a fitted image that is judged: neither padding nor beyond its region."""
        whole = np.ones(size, dtype=np.bool_) if region is None else region
        judged = fit_region(whole, target, content)
        return judged if self._region is None else judged & self._region

    def _regions(self, pixels: Sequence[Array], rois: Sequence[Region] | None) -> Sequence[Region | None]:
        each = self._image["roi"] == "each"
        if rois is None:
            if each:
                raise ValueError("roi (=None) must be given, because this export judges a region of each image")
            return [None] * len(pixels)
        if not each:
            raise ValueError(
                "roi cannot be given, because this export judges "
                f"{'the whole image' if self._image['roi'] is None else 'its own region'}; leave it out"
            )
        for one, roi in zip(pixels, rois, strict=True):
            if roi.dtype != np.bool_ or roi.shape != one.shape[:2] or not roi.any():
                raise ValueError(
                    f"roi (shape {roi.shape}, {roi.dtype}) must be a bool array of the image's height and width "
                    f"{one.shape[:2]}, True for one pixel at least; use mask > 0"
                )
        return rois


def _as_rgb(image: Array) -> Array:
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)) or not image.size:
        raise ValueError(
            f"image (shape {image.shape}, {image.dtype}) must be uint8, (height, width, 3) in RGB or (height, width) "
            "in grey, with one pixel at least; convert it first"
        )
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image
