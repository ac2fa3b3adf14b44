import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fae_runtime.engine import Engine, choose, start
from fae_runtime.export import Export, read_export
from fae_runtime.fit import Judged, Region, Size, content_size, fit, fit_region, resized, resized_inside
from fae_runtime.read import Array, read_image

Given = NDArray[np.bool_] | Array
"""A region of interest of an image, `(H, W)`: values above 0 are judged."""


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
        self._own, self._engine = export.region, engine

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

    def __call__(self, image: Array | Path | str, roi: Given | None = None) -> Detection:
        """Score one image.

        Args:
            image: path of an image file, or uint8 array `(H, W, 3)` in RGB or `(H, W)` in grey.
            roi: region of interest of this image, `(H, W)` uint8 or bool, for exports that judge a region of each
                image; values above 0 are judged. None takes the export's own region, or the whole image.

        Raises:
            ValueError: the file is no image, the image has an unsuitable shape, size or type, the region has another
                size, marks no pixel or is not taken, or the map holds NaN.
        """
        pixels = self.read(image) if isinstance(image, str | Path) else image
        (found,) = self.batch([pixels], [roi])
        return found

    def batch(self, images: Sequence[Array], rois: Sequence[Given | None] | None = None) -> list[Detection]:
        """Score several images together, which is faster than one by one; the scores may differ by rounding.

        Args:
            images: uint8 arrays `(H, W, 3)` in RGB or `(H, W)` in grey. Their sizes may differ, unless the export
                takes images as they are.
            rois: a region of interest for each image, or None, see `__call__`.

        Raises:
            ValueError: as in `__call__`.
        """
        if not images:
            return []
        pixels = [_as_rgb(image) for image in images]
        sizes = [(one.shape[0], one.shape[1]) for one in pixels]
        targets = [self._target(size) for size in sizes]
        if len(set(targets)) > 1:
            raise ValueError(f"images have {len(set(targets))} sizes; score each size by itself")
        target, aspect = targets[0], self._image["aspect"] or "stretch"
        contents = [content_size(size, target, aspect) for size in sizes]
        regions = [
            self._region(roi, size, content)
            for roi, size, content in zip(rois or [None] * len(pixels), sizes, contents, strict=True)
        ]
        inputs: dict[str, NDArray[Any]] = {
            "image": np.stack([fit(one, target, content) for one, content in zip(pixels, contents, strict=True)])
        }
        if self._image["content"]:
            inputs["content"] = np.zeros((len(pixels), *target), np.bool_)
            for one, (height, width), region in zip(inputs["content"], contents, regions, strict=True):
                one[:height, :width] = True if region is None else region.fitted
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
        self, anomaly_map: NDArray[np.float32], score: float, size: Size, region: Judged | None
    ) -> Detection:
        anomaly_map = resized(anomaly_map, size) if region is None else resized_inside(anomaly_map, size, region)
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

    def _region(self, given: Given | None, size: Size, content: Size) -> Judged | None:
        """Return the region that is judged, of an image of a size that is brought to its content's size."""
        if given is None:
            if self._own is None:
                return None
            fitted: Region = self._own[: content[0], : content[1]]
            own = fit_region(fitted, size)
            fitted = own if self._image["size"] == "native" else fitted
        elif self._image["roi"] != "each":
            judged = "the whole image" if self._own is None else "its own region"
            raise ValueError(f"roi cannot be given, because this export judges {judged}; leave it out")
        elif given.shape != size:
            raise ValueError(
                f"roi (shape {given.shape}) must have the height and width of its image, {size[0]}×{size[1]}; draw it "
                "on the image"
            )
        else:
            own = np.asarray(given, np.bool_)
            fitted = fit_region(own, content)
        if not fitted.any():
            raise ValueError(
                f"the region of interest marks no pixel of an image of {size[0]}×{size[1]} pixels; values above 0 are "
                "judged, so mark some"
            )
        return Judged(own, fitted)


def _as_rgb(image: Array) -> Array:
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)) or not image.size:
        raise ValueError(
            f"image (shape {image.shape}, {image.dtype}) must be uint8, (height, width, 3) in RGB or (height, width) "
            "in grey, with one pixel at least; convert it first"
        )
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image
