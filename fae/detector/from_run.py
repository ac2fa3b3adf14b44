from pathlib import Path

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor

from fae.detector.detector import Detector
from fae.image import ReadImage
from fae.model.autoencoder import SDCAutoencoder
from fae.model.tiled import check_tile, reconstruct_overlapping, reconstruct_tiled
from fae.network import Passed
from fae.run.calibrated import DETECTOR, digest, read_detector
from fae.run.folder import finished_config
from fae.run.network import build_network, load_weights
from fae.score.score import Score


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

    def levels(image: Tensor, roi: Tensor | None = None) -> Tensor:
        with torch.inference_mode(), torch.autocast(place.type, torch.bfloat16, enabled=half):
            there = image.to(place, memory_format=torch.channels_last)
            passed: Passed = network(there, score.residual, reconstruct, None if roi is None else roi.to(place))
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
        ReadImage(cfg.data.get("bit_depth"), cfg.data.get("pages")),  # older runs have no such keys, nor the following
        None if state.get("normals") is None else np.array(state["normals"], np.float32),
        None if state.get("roi") is None else state["roi"].numpy(),
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
