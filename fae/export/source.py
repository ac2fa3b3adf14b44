"""What is exported: finished runs in float32, their images, and what PyTorch makes of these."""

import json
import math
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from fae.data.split import Split
from fae.evaluation.ensemble import check_members, divisor, together
from fae.evaluation.finished_run import FOLDER, Scored
from fae.export.graph import Graph, Member
from fae.model.autoencoder import STRIDE
from fae.run.calibrated import read_detector
from fae.score.average import damping_by_others
from fae.score.score import calibrate_image_score, image_scores

FLOAT32 = "32-true"


class Images(NamedTuple):
    """Images at the run's size, and what PyTorch in float32 makes of them."""

    split: Split
    anomaly_map: Tensor
    """`(N, 1, H, W)` maps."""
    score: Tensor
    """`(N,)` image scores."""


class Source:
    """A finished run, or several whose maps' maximum is taken, calibrated anew on the held-out images in float32.

    Args:
        cfg: configuration composed from conf/export.yaml.
        run_dir: the run's folder.

    Raises:
        ValueError: a folder holds no finished run, the images are not its images, or a value is wrong.
        FileNotFoundError: the evaluation does not exist.
    """

    def __init__(self, cfg: DictConfig, run_dir: Path) -> None:
        self.run_dir = run_dir
        changes = _changes(cfg, self.run_dir)
        self.run = Scored.open(self.run_dir, changes)
        self.members = [self.run]
        if cfg.ensemble is not None:
            check_members(self.run_dir, cfg.ensemble)
            others = [Path(name) for name in cfg.ensemble if Path(name).resolve() != self.run_dir.resolve()]
            self.members += [Scored.open(other, changes) for other in others]
        self.held_out, _ = together(self.members, cfg.ensemble_scale)
        self.image_score = self.run.score.image_score
        calibrate_image_score(self.image_score, self.held_out.anomaly_map, self.held_out.content)
        self.divisors = [1.0] * len(self.members)
        if cfg.ensemble is not None:
            self.divisors = [divisor(member.maps()[0], cfg.ensemble_scale) for member in self.members]

    @property
    def content(self) -> bool:
        """Whether the graph must be told which part of an image is judged."""
        data = self.run.cfg.data
        return self.by_region or (data.image_size is not None and data.aspect == "pad")

    @property
    def by_region(self) -> bool:
        """Whether the runs judge regions of interest."""
        return self.run.data.reader.regions is not None

    @property
    def multiple_of(self) -> int:
        """The number of pixels whose multiples are heights and widths that all members take."""
        return math.lcm(STRIDE, *(member.module.network.space.coarsest for member in self.members))

    @property
    def size(self) -> tuple[int, int]:
        """The `(height, width)` of the run's images in pixels."""
        height, width = self.run.data.val.image.shape[-2:]
        return height, width

    def graph(self) -> Graph:
        """Return networks and scores as one module."""
        members = [
            Member(member.module.network, member.score, by)
            for member, by in zip(self.members, self.divisors, strict=True)
        ]
        return Graph(members, self.image_score, self.by_region).cpu()

    @cached_property
    def normals(self) -> Images:
        """The held-out images, scored as new ones are."""
        return self._scored(self.run.data.val, [member.residuals.val for member in self.members])

    @cached_property
    def test(self) -> Images:
        """The test images."""
        return self._scored(self.run.data.test, [member.residuals.test for member in self.members])

    def of(self, split: Split) -> Images:
        """Score other images."""
        maps = [member.normals(split).anomaly_map / by for member, by in zip(self.members, self.divisors, strict=True)]
        return self._judged(split, torch.stack(maps).amax(dim=0))

    def own_dampings(self) -> Iterator[list[Tensor]]:
        """Yield for each held-out image each member's factor of eq. 14, `(1, 1, H, W)`, of the other held-out images.

        With its own map in the average a held-out image would be damped more than a new one.
        """
        factors = []
        for member in self.members:
            roi = member.data.val.roi
            undamped = member.score.smoothed(member.residuals.val, self.size, roi)
            factors.append(damping_by_others(undamped, member.score.t, roi))
        for each in zip(*factors, strict=True):
            yield [one[None] for one in each]

    @property
    def damped(self) -> bool:
        """Whether an average of the held-out maps damps the maps, t > 0."""
        return any(member.score.t > 0 for member in self.members)

    def _scored(self, split: Split, residuals: list[Tensor]) -> Images:
        maps = [
            member.score.anomaly_map(residual, split.roi) / by
            for member, residual, by in zip(self.members, residuals, self.divisors, strict=True)
        ]
        return self._judged(split, torch.stack(maps).amax(dim=0))

    def _judged(self, split: Split, maps: Tensor) -> Images:
        maps = maps * split.content
        scores = image_scores(self.image_score, maps, split.content) if len(maps) else torch.zeros(0)
        return Images(split, maps, scores)


def _changes(cfg: DictConfig, run_dir: Path) -> DictConfig:
    """Return what changes the run's own configuration, as `Scored.open` takes it."""
    changes = OmegaConf.masked_copy(cfg, ["data", "score", "threshold"])
    OmegaConf.set_struct(changes, False)
    if cfg.evaluation is not None:
        path = run_dir / FOLDER / f"{cfg.evaluation}.pt"
        state, metrics = read_detector(path, run_dir), json.loads(path.with_suffix(".json").read_text())
        changes.score = OmegaConf.merge(state["score"], _given(changes.score))
        rates = {f"{kind}_rate": metrics[f"{kind}_threshold_rate"] for kind in ("image", "pixel")}
        changes.threshold = OmegaConf.merge(changes.threshold, rates, _given(changes.threshold))
    changes.trainer = {"accelerator": "cpu", "devices": 1, "precision": FLOAT32}
    changes.metric, changes.engine = {}, None
    return changes


def _given(node: Any) -> dict[str, Any]:
    return {key: value for key, value in node.items() if value is not None}
