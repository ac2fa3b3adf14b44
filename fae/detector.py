"""A finished run as a detector: it turns an image into map, score and decision, without data set and trainer."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import OmegaConf
from torch import Tensor

from fae.data.fit import fit
from fae.image import Array, ReadImage
from fae.model.autoencoder import SDCAutoencoder
from fae.model.tiled import check_tile, reconstruct_overlapping, reconstruct_tiled
from fae.network import Passed
from fae.run.calibrated import DETECTOR, digest, read_detector
from fae.run.folder import finished_config
from fae.run.network import build_network, load_weights
from fae.score.score import Score, image_scores

SIZES = ("run", "native")


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
    """Scores single images like the run that it comes from scored its test images.

    Args:
        levels: function from an image `(1, 3, H, W)` in [0, 1] to its levels `(1, L, h, w)`, see `fae.network`; it must
            accept any size.
        score: calibrated score.
        image_size: `(height, width)` in pixels that the run's images were brought to.
        aspect: way in which the run's images were resized, see `fae.data.fit.fit`; None if they kept their size.
        thresholds: thresholds for image scores and for pixels. There is no decision if a threshold is None, or if
            `size` is "native" and the run's images were resized.
        colour_limit: map value of the brightest colour in pictures.
        identity: sixteen hexadecimal digits of all that the detector was loaded from.
        size: "run", which brings images to the run's size, or "native", which takes them as they are.
        read: decoder of image files, with the run's bit depth.

    Raises:
        ValueError: `size` is unknown, or it is "native" although the score holds an average map.
    """

    def __init__(
        self,
        levels: Callable[[Tensor], Tensor],
        score: Score,
        image_size: tuple[int, int],
        aspect: str | None,
        thresholds: tuple[float | None, float | None],
        colour_limit: float,
        identity: str,
        size: str = "run",
        read: ReadImage | None = None,
    ) -> None:
        if size not in SIZES:
            raise ValueError(f"size (={size!r}) must be run, the size of training, or native, the image's own size")
        if size == "native" and score.damping is not None:
            raise ValueError(
                f"size (={size}) needs score.t = 0 (it is {score.t:g}), because the average map has the run's size; "
                "evaluate the run with score.t=0 and name that evaluation"
            )
        self.levels, self.score, self.image_size = levels, score, image_size
        self.aspect, self.size, self.colour_limit = aspect, size, colour_limit
        self.identity = identity
        self.read = ReadImage() if read is None else read
        # Another scale changes maps and their sums: thresholds only hold at the scale at which they were found.
        self.rescaled = size == "native" and aspect is not None
        self.image_threshold, self.pixel_threshold = (None, None) if self.rescaled else thresholds

    def __call__(self, image: Array | Path | str) -> Detection:
        """Score one image.

        Args:
            image: path of an image file, or uint8 array `(H, W, 3)` in RGB or `(H, W)` in grey.

        Raises:
            ValueError: the file is no image, the image has an unsuitable shape, size or type, or the map holds NaN.
        """
        pixels = self.read(Path(image)).rgb if isinstance(image, str | Path) else _as_rgb(image)
        fitted, content = self._fit(pixels)
        batch = torch.tensor(fitted).permute(2, 0, 1)[None].float() / 255
        residual = self.score.combined(self.levels(batch), batch.shape[-2:])
        inside = torch.zeros(1, 1, *fitted.shape[:2], dtype=torch.bool)
        inside[..., : content[0], : content[1]] = True
        maps = self.score.anomaly_map(residual) * inside
        if maps.isnan().any():
            raise ValueError("the map holds NaN; look for NaN in the weights")
        score = float(image_scores(self.score.image_score, maps, inside))
        anomaly_map = _resize(maps[0, 0, : content[0], : content[1]].numpy(), pixels.shape[:2])
        return Detection(
            anomaly_map,
            score,
            None if self.image_threshold is None else score > self.image_threshold,
            None if self.pixel_threshold is None else anomaly_map > self.pixel_threshold,
        )

    def _fit(self, pixels: Array) -> tuple[Array, tuple[int, int]]:
        height, width = pixels.shape[:2]
        if self.size == "native":
            return pixels, (height, width)
        if self.aspect is None and (height, width) != self.image_size:
            raise ValueError(
                f"the image has {height}×{width} pixels, but the images of training have {self.image_size[0]}×"
                f"{self.image_size[1]} and were not resized; bring the image to that size, or use size=native if its "
                "pixels have the scale of the training images"
            )
        return fit(pixels, self.image_size, self.aspect or "stretch")


def load(
    run_dir: str | Path,
    evaluation: str | None = None,
    size: str = "run",
    tile: int | None = None,
    overlap: int | None = None,
    device: str = "auto",
) -> Detector:
    """Load a finished run as a detector.

    Args:
        run_dir: path of the run's folder.
        evaluation: name of an evaluation by `fae.evaluate`, whose k, n, t and thresholds are used; None takes the
            run's own.
        size: "run", which brings an image to the size of training and its map back, or "native", which takes images
            as they are.
        tile: side of a tile in px, a multiple of 8. Tiles bound the memory of large images, see `fae.model.tiled`;
            None takes whole images at once.
        overlap: overlap of neighbouring tiles in px, a multiple of 8. With it the whole network runs on each tile,
            which is not exact; None makes exact tiles.
        device: PyTorch device, such as "cpu" or "cuda"; "auto" takes CUDA if it is available.

    Raises:
        ValueError: the folder holds no finished run, or a run of another version, or an argument is wrong.
        FileNotFoundError: the evaluation or the checkpoint does not exist.
    """
    folder = Path(run_dir)
    cfg = finished_config(folder)
    path = folder / DETECTOR if evaluation is None else folder / "evaluation" / f"{evaluation}.pt"
    if tile is not None:
        check_tile(tile, overlap or 0)
    state = read_detector(path, folder)
    score: Score = instantiate(OmegaConf.create(state["score"]), _convert_="all")
    score.damping, score.image_score.level, score.rule.learned = state["damping"], state["level"], state["rule"]
    network = build_network(cfg)
    load_weights(network, cfg, folder)
    place = _place(device)
    network.to(place)
    if tile is None and overlap is not None:
        raise ValueError(f"overlap (={overlap}) needs tile, the side of a tile; set both, or none")
    if tile is not None and network.space.stride > 1:
        raise ValueError(
            f"tile (={tile}) would change the features of space={cfg.space.name} along every tile's border; leave it "
            "out, because features need far less memory than pixels"
        )
    if tile is not None and overlap is None and not isinstance(network.model, SDCAutoencoder):
        raise ValueError(
            f"tile (={tile}) is exact only for the SDC autoencoder; for other networks, set overlap as well"
        )
    half = str(cfg.trainer.precision).startswith("bf16")

    def reconstruct(point: Tensor) -> Tensor:
        if tile is None:
            found: Tensor = network.model(point)
            return found
        if overlap is not None:
            return reconstruct_overlapping(network.model, point, tile, overlap)
        assert isinstance(network.model, SDCAutoencoder)
        return reconstruct_tiled(network.model, point, tile)

    def levels(image: Tensor) -> Tensor:
        with torch.inference_mode(), torch.autocast(place.type, torch.bfloat16, enabled=half):
            there = image.to(place, memory_format=torch.channels_last)
            passed: Passed = network(there, score.residual, reconstruct)
            return passed.levels.cpu()

    own_size = cfg.data.image_size is None
    height, width = state["image_size"]
    image_threshold, pixel_threshold = state["thresholds"]
    return Detector(
        levels,
        score,
        (height, width),
        None if own_size else cfg.data.aspect,
        (image_threshold, pixel_threshold),
        state["colour_limit"],
        digest(path),
        size,
        ReadImage(cfg.data.get("bit_depth"), cfg.data.get("pages")),  # older runs have no such keys
    )


def _place(device: str) -> torch.device:
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"device (={device}) cannot be used here; use cpu, or cuda if there is a CUDA device"
        ) from error


def _as_rgb(image: Array) -> Array:
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise ValueError(
            f"image (shape {image.shape}, {image.dtype}) must be uint8, (height, width, 3) in RGB or (height, width) "
            "in grey; convert it first"
        )
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image


def _resize(anomaly_map: NDArray[np.float32], size: tuple[int, ...]) -> NDArray[np.float32]:
    if anomaly_map.shape == size:
        return anomaly_map
    shrinks = size[0] < anomaly_map.shape[0] and size[1] < anomaly_map.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(anomaly_map, (size[1], size[0]), interpolation=method), dtype=np.float32)
