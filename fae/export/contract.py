"""The contract of an export: the same scores and decisions as PyTorch in float32."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fae.export.source import Images
from fae_runtime import Detection
from fae_runtime.engine import Engine, Scores

TOLERANCE = 1e-4
"""The largest relative difference of a map, of a score, and of a score from its threshold."""
_TOGETHER = 8  # images


class Difference(NamedTuple):
    """How far two ways of scoring the same images lie apart."""

    images: int
    map: float
    """The largest max|Δmap| / max|map| of an image."""
    score: float
    """The largest |Δscore| / score of an image."""
    flips: int
    """The number of images with another decision, near the threshold or not."""
    near: list[str]
    """The names of the images whose score equals the threshold up to the tolerance: either decision is right."""
    worst: str | None
    """The name of the image that differs most."""
    broken: list[str]
    """The names of the images that break the contract."""

    def facts(self) -> dict[str, Any]:
        """Return what metadata.json says of the difference."""
        return {key: value for key, value in self._asdict().items() if key != "broken"}


def inputs_of(image: Tensor, content: Tensor | None) -> dict[str, NDArray[Any]]:
    """Return images `(B, 3, H, W)` uint8, with their content `(B, 1, H, W)`, as the inputs of a graph."""
    found: dict[str, NDArray[Any]] = {"image": np.ascontiguousarray(image.permute(0, 2, 3, 1).numpy())}
    return found if content is None else found | {"content": content.squeeze(1).numpy()}


def scored(engine: Engine, image: Tensor, content: Tensor | None) -> Iterator[Scores]:
    """Yield the scores of images `(N, 3, H, W)` uint8, a few at a time."""
    for which in torch.split(torch.arange(len(image)), _TOGETHER):
        yield engine(inputs_of(image[which], None if content is None else content[which]))


def all_scored(engine: Engine, image: Tensor, content: Tensor | None) -> Scores:
    """Return the scores of images `(N, 3, H, W)` uint8."""
    parts = list(scored(engine, image, content))
    return Scores(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def compare(engine: Engine, images: Sequence[Images], content: bool, threshold: float | None) -> Difference:
    """Score images by an exported graph, and compare with PyTorch.

    Args:
        engine: the graph.
        images: images with PyTorch's maps and scores.
        content: whether the graph takes the part that is judged.
        threshold: threshold for image scores, the same for both; None if there is none.
    """
    rows: list[tuple[str, float, float, bool, bool]] = []
    for some in images:
        inside = some.split.content if content else None
        paths = iter(some.split.samples)
        maps, scores = iter(some.anomaly_map[:, 0].numpy()), iter(some.score.numpy())
        for part in scored(engine, some.split.image, inside):
            for found_map, found in zip(part.anomaly_map, part.score, strict=True):
                right_map, right = next(maps), next(scores)
                flips = threshold is not None and bool((found > threshold) != (right > threshold))
                near = threshold is not None and bool(abs(right - threshold) <= TOLERANCE * abs(threshold))
                name = "/".join(next(paths).path.parts[-2:])  # the folders above are nobody's business
                rows.append((name, _relative(found_map, right_map), _relative(found, right), flips, near))
    broken = [n for n, m, s, flips, near in rows if not (m <= TOLERANCE and s <= TOLERANCE and (near or not flips))]
    worst = max(rows, key=lambda row: max(row[1:3]), default=None)
    return Difference(
        len(rows),
        max((row[1] for row in rows), default=0.0),
        max((row[2] for row in rows), default=0.0),
        sum(row[3] for row in rows),
        [row[0] for row in rows if row[4]],
        None if worst is None else worst[0],
        broken,
    )


def check(difference: Difference, engine: str) -> None:
    """Refuse an export that breaks the contract.

    Raises:
        ValueError: an image has another map, score or decision; the message names it.
    """
    if difference.broken:
        raise ValueError(
            f"the exported graph does not score as PyTorch does: in {engine} {len(difference.broken)} of "
            f"{difference.images} image(s) differ by more than {TOLERANCE:g} of the largest value of their map or of "
            f"their score, or change their decision, {', '.join(difference.broken[:3])} among them (map "
            f"{difference.map:.1e}, score {difference.score:.1e}); nothing was written"
        )


def check_probe(found: Detection, probe: Mapping[str, Any], engine: str) -> None:
    """Refuse an export whose runtime gives a probe another score, decision or size of map than PyTorch.

    Raises:
        ValueError: it does; the message names the file.
    """
    right, size = probe["score"], (probe["height"], probe["width"])
    highest = float(found.anomaly_map.max())
    alike = (
        found.anomaly_map.shape == size
        and _relative(np.float32(found.score), np.float32(right)) <= TOLERANCE
        and _relative(np.float32(highest), np.float32(probe["map_max"])) <= TOLERANCE
    )
    if not alike:
        raise ValueError(
            f"the light runtime does not score {probe['file']} as PyTorch does: in {engine} {found.score:.6g} instead "
            f"of {right:.6g}, the map's maximum {highest:.6g} instead of {probe['map_max']:.6g}; nothing was written"
        )


def _relative(found: NDArray[np.float32] | np.float32, right: NDArray[np.float32] | np.float32) -> float:
    difference, size = float(np.abs(found - right).max()), float(np.abs(right).max())
    return difference / size if size > 0 else float(difference > 0)
