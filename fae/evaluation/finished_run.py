"""A finished run, ready to be scored: the network runs once for each kind of residual, whatever the settings."""

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from fae.cli.check import check_leaves
from fae.data.index import Sample
from fae.data.module import DataModule
from fae.data.split import Split
from fae.evaluation.levels import Levels
from fae.evaluation.measure import Normals
from fae.evaluation.search import Setting
from fae.image import images_in
from fae.machine.atomic import whole
from fae.machine.provenance import environment, git_commit
from fae.run.build import build_module, build_trainer, quiet
from fae.run.folder import check_images, finished_config
from fae.run.forward import predict, predict_images
from fae.run.network import checkpoint_of, load_weights
from fae.score.score import Score

FOLDER = "evaluation"
_PLACES = ("root", "extra", "roi")


class Residuals(NamedTuple):
    """Residuals of the held-out normal images and of the test images, of all levels in one."""

    val: Tensor
    """`(V, 1, H, W)` residuals of the held-out normal images."""
    test: Tensor
    """`(N, 1, H, W)` residuals of the test images."""


class Scored:
    """A finished run with its data, its weights and a score, which may differ from the score of its training.

    Levels are kept in `<run_dir>/evaluation`, keyed by checkpoint, images, precision, machine, versions and commit.
    """

    def __init__(self, run_dir: Path, cfg: DictConfig, protocol: str | None) -> None:
        self.run_dir, self.cfg, self.protocol = run_dir, cfg, protocol
        check_leaves(cfg)
        quiet()
        self.data: DataModule = instantiate(cfg.data, _convert_="all")
        self.data.setup()
        check_images(run_dir, self.data.identity)
        self.score: Score = instantiate(cfg.score, _convert_="all")
        self.module = build_module(cfg, self.score)
        self.module.network.check_score(self.score)
        self.checkpoint = load_weights(self.module.network, cfg, run_dir)
        self.trainer = build_trainer(cfg, [])
        self.where: dict[str, Any] = {"git_commit": git_commit()} | environment(self.trainer.strategy.root_device)

    @classmethod
    def open(cls, run_dir: Path, changes: DictConfig) -> "Scored":
        """Open a run's folder; values from the command line replace those of the run.

        Args:
            run_dir: the run's folder.
            changes: configuration composed from conf/evaluate.yaml; its null values change nothing.

        Raises:
            ValueError: the folder is not a finished run, comes from another version, or was trained on other images.
        """
        run = finished_config(run_dir)
        return cls(run_dir, run, _change(run_dir, run, changes))

    def set(self, setting: Setting, protocol: str | None) -> None:
        """Use other k, n and t, and say how they were chosen; None leaves the protocol as it is."""
        if protocol is not None:
            self.protocol = protocol if self.protocol is None else f"{protocol}; {self.protocol}"
        self.cfg.score = OmegaConf.merge(self.cfg.score, setting._asdict())
        self.score = instantiate(self.cfg.score, _convert_="all")

    @property
    def name(self) -> str:
        """The name of the settings that make the maps: squared-k5-n2-t0-top0.01."""
        score = self.score
        return f"{score.residual.name}-k{score.k}-n{score.n}-t{score.t:g}-{self.image_score_name}"

    @property
    def image_score_name(self) -> str:
        """The name of the image score with its arguments: top0.01."""
        image_score = self.cfg.score.image_score
        values = "-".join(f"{value:g}" for key, value in image_score.items() if key != "_target_")
        return f"{self.score.image_score.name}{values}"

    @cached_property
    def levels(self) -> Levels:
        """The levels of the held-out and the test images."""
        path = self._kept("levels")
        if not path.is_file():
            val, test = predict(self.trainer, self.module, self.data)
            _keep(path, val=val.levels, test=test.levels)
        network = self.module.network
        with np.load(path, allow_pickle=False) as stored:
            found = (torch.from_numpy(stored[split]) for split in ("val", "test"))
            return Levels(network.names, network.space.shows, *found)

    @property
    def residuals(self) -> Residuals:
        """The residuals of the held-out and the test images; the rule is calibrated."""
        val, test = self.data.val.roi, self.data.test.roi
        self.score.calibrate_rule(self.levels.val, self.levels.names, val)
        return Residuals(self._combined(self.levels.val, val), self._combined(self.levels.test, test))

    def _combined(self, levels: Tensor, roi: Tensor | None) -> Tensor:
        return self.score.combined(levels, self.data.val.image.shape[-2:], roi)

    @cached_property
    def damaged(self) -> tuple[Tensor, Tensor]:
        """Residuals `(V * val_corruptions, 1, H, W)` of held-out images with seeded damage, and its bool masks.

        The rule must be calibrated.
        """
        path = self._kept("damaged")
        if not path.is_file():
            batches = ((batch.corrupted, batch.roi) for batch in self.data.damaged())
            found = predict_images(self.trainer, self.module, self.data, batches)
            mask = torch.cat([batch.corruption_mask > 0.5 for batch in self.data.damaged()])
            _keep(path, levels=found.levels, mask=mask)
        with np.load(path, allow_pickle=False) as stored:
            roi = self.data.val.roi
            copies = None if roi is None else roi.repeat(self.data.val_corruptions, 1, 1, 1)
            return self._combined(torch.from_numpy(stored["levels"]), copies), torch.from_numpy(stored["mask"])

    def maps(self) -> tuple[Normals, Tensor]:
        """Calibrate the score, and return anomaly maps of the held-out and the test images."""
        residual, val, test = self.residuals, self.data.val, self.data.test
        held_out = self.score.calibrate(residual.val, val.content, val.roi)
        return Normals(held_out, val.content), self.score.anomaly_map(residual.test, test.roi)

    def others(self, root: Path) -> Split:
        """Read other normal images than those of the run.

        Raises:
            ValueError: the folder holds no image, or an image that is unreadable, wrongly sized or part of the run.
            FileNotFoundError: there is no such folder.
        """
        if not root.is_dir():
            raise FileNotFoundError(f"calibration.root (={root}) is no folder; name one that holds normal images")
        split = self.data.decode([Sample(path) for path in images_in(root)])
        if not split.samples:
            raise ValueError(f"calibration.root (={root}) holds no images; name a folder that holds normal ones")
        known = {hashlib.sha256(sample.path.read_bytes()).digest() for sample in self.data.index.all}
        for sample in split.samples:
            if hashlib.sha256(sample.path.read_bytes()).digest() in known:
                raise ValueError(
                    f"calibration.root (={root}) holds {sample.path.name}, which is a training or test image of this "
                    "run; name a folder of other normal images"
                )
        return split

    def normals(self, split: Split) -> Normals:
        """Return maps of other normal images; the score and its rule must be calibrated."""
        parts = torch.split(torch.arange(len(split.samples)), self.data.batch_size)
        batches = ((split.image[which].float() / 255, split.roi_of(which)) for which in parts)
        found = predict_images(self.trainer, self.module, self.data, batches)
        maps = self.score.anomaly_map(self._combined(found.levels, split.roi), split.roi)
        return Normals(maps * split.content, split.content)

    def _kept(self, what: str) -> Path:
        made_with = (self.cfg.trainer.precision, self.where)
        key = hashlib.sha256(checkpoint_of(self.run_dir).read_bytes() + repr(made_with).encode())
        for split in (self.data.val, self.data.test):
            key.update(split.image.numpy().tobytes())
        return self.run_dir / FOLDER / f"{what}-{self.score.residual.name}-{key.hexdigest()[:8]}.npz"


def _keep(path: Path, **arrays: Tensor) -> None:
    path.parent.mkdir(exist_ok=True)
    with whole(path) as draft, draft.open("wb") as file:
        np.savez(file, allow_pickle=False, **{name: array.numpy() for name, array in arrays.items()})


def _change(run_dir: Path, run: DictConfig, cfg: DictConfig) -> str | None:
    """Write values from the command line into a run's configuration; return the protocol if the scores change."""
    if unknown := sorted(str(key) for key in cfg.data if key not in _PLACES):
        raise ValueError(
            f"data.{unknown[0]} cannot change after training; data.root, data.extra and data.roi alone can, for images "
            "and regions of interest that have moved"
        )
    for key in _PLACES:
        if cfg.data.get(key) is not None:
            run.data[key] = cfg.data[key]
    if cfg.engine is not None:
        run.engine = cfg.engine
    if cfg.metric:
        run.metric = cfg.metric
    if "strategy" in run.trainer:  # an evaluation runs in a single process
        del run.trainer.strategy
        run.trainer.devices = run.trainer.num_nodes = 1
    run.trainer.pop("max_time", None)  # a run of an earlier version may have ended by it
    for group in ("trainer", "threshold"):
        for key, value in cfg[group].items():
            if value is not None:
                run[group][key] = value
    changed = []
    for key, value in cfg.score.items():
        if value is None or value == run.score.get(key):
            continue
        of_the_same_kind = isinstance(value, DictConfig) and "_target_" not in value
        run.score[key] = OmegaConf.merge(run.score[key], value) if of_the_same_kind else value
        changed.append(f"score.{key}")
    return f"changed after training, by whoever has seen its results: {', '.join(changed)}" if changed else None
