"""PatchCore and PaDiM on the frozen network, the images and the score of `experiment=features`.

python -m experiments.features.memory patchcore experiment=features data=folder category=generic data.root=DIR

Both remember features of normal patches; neither trains. PatchCore (Roth et al. 2022) has 3×3 neighbourhoods, strides
8 and 16, a greedy coreset of 10 %, and its re-weighted image score beside the score of the configuration. PaDiM (Defard
et al. 2021) has strides 4, 8 and 16, 100 random channels, and a Gaussian for each place.
"""

import json
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from torch import Tensor, nn

from fae.cli.check import check_leaves
from fae.cli.schema import conf_dir, register
from fae.data.module import DataModule
from fae.evaluation.measure import Normals, measure
from fae.head.coreset import farthest
from fae.machine.atomic import write_text
from fae.machine.provenance import environment, git_commit
from fae.metric.auroc import auroc
from fae.score.rule.total import Total
from fae.score.score import Score
from fae.space.features import Features

_BATCH = 8
_LATENCY_ROUNDS = 20
_BLOCK = 2**15
"""Patches among which the greedy search chooses at once: each choice looks at them all, so its cost is quadratic."""


class Memory(ABC):
    """A memory of the features of normal images.

    Args:
        backbone: frozen network from images `(B, 3, H, W)` in [0, 1] to a list of feature maps.
        seed: seed of what is drawn at random.
    """

    def __init__(self, backbone: nn.Module, seed: int) -> None:
        self.backbone, self.random = backbone, torch.Generator().manual_seed(seed)

    @abstractmethod
    def fit(self, image: Tensor) -> None:
        """Remember normal images `(N, 3, H, W)` uint8."""

    @abstractmethod
    def __call__(self, image: Tensor) -> Tensor:
        """Return maps `(B, 1, h, w)` of images `(B, 3, H, W)` in [0, 1]; higher means more anomalous."""

    @property
    @abstractmethod
    def bytes(self) -> int:
        """The size of what is remembered."""


class PatchCore(Memory):
    """The distance of each patch to its nearest neighbour among a coreset of normal patches.

    Args:
        backbone: see `Memory`.
        seed: see `Memory`.
        share: share of the normal patches that is remembered, in (0, 1].
    """

    neighbours = 9

    def __init__(self, backbone: nn.Module, seed: int, share: float = 0.1) -> None:
        super().__init__(backbone, seed)
        self.share = share
        self.bank = torch.zeros(0)

    def fit(self, image: Tensor) -> None:
        """See `Memory.fit`."""
        patches = torch.cat(
            [
                self.features(one.float() / 255).flatten(2).transpose(1, 2).flatten(0, 1)
                for one in torch.split(image, _BATCH)
            ]
        )
        self.remember(coreset(patches, self.share, self.random))

    def remember(self, bank: Tensor) -> None:
        """Take `(M, C)` patches for the bank."""
        self.bank = bank.contiguous()
        self._squares = self.bank.square().sum(dim=1)

    def __call__(self, image: Tensor) -> Tensor:
        """See `Memory.__call__`."""
        return self.nearest(self.features(image))

    def nearest(self, found: Tensor) -> Tensor:
        """Return the distances `(B, 1, h, w)` of features `(B, C, h, w)` to their nearest neighbours in the bank."""
        return self.distances(found.flatten(2).transpose(1, 2).flatten(0, 1)).view(len(found), 1, *found.shape[-2:])

    def distances(self, patches: Tensor) -> Tensor:
        """Return the distances `(P,)` of patches `(P, C)` to their nearest neighbours in the bank."""
        nearest = torch.cat(
            [(self._squares - 2 * part @ self.bank.T).amin(dim=1) for part in torch.split(patches, 1024)]
        )
        return (nearest + patches.square().sum(dim=1)).clamp_min(0).sqrt()

    def image_score(self, image: Tensor) -> Tensor:
        """Return the re-weighted distance of each image's most distant patch: Roth et al. 2022, eq. 7."""
        found = self.features(image).flatten(2).transpose(1, 2)
        scores = []
        for patches in found:
            distance = self.distances(patches)
            patch = patches[distance.argmax()]
            nearest = self.bank[(self._squares - 2 * self.bank @ patch).argmin()]
            around = (self._squares - 2 * self.bank @ nearest).topk(self.neighbours, largest=False).indices
            near = (self.bank[around] - patch).norm(dim=1)
            own = (nearest - patch).norm()
            weight = 1 - 1 / torch.exp(near - own).sum()
            scores.append(weight * own)
        return torch.stack(scores)

    @property
    def bytes(self) -> int:
        """See `Memory.bytes`."""
        return self.bank.nbytes

    def features(self, image: Tensor) -> Tensor:
        """Return the patches' features `(B, C, h, w)` of images `(B, 3, H, W)` in [0, 1]."""
        _, middle, coarse = (F.avg_pool2d(one, 3, 1, 1) for one in self.backbone(image))
        coarse = F.interpolate(coarse, middle.shape[-2:], mode="bilinear", align_corners=False)
        return torch.cat([middle, coarse], dim=1)


def coreset(patches: Tensor, share: float, random: torch.Generator, block: int = _BLOCK) -> Tensor:
    """Return a share of patches `(N, C)`: of each random block of at most `block` patches the greedy choice."""
    blocks = torch.randperm(len(patches), generator=random).chunk(-(-len(patches) // block))
    return torch.cat([patches[one][farthest(patches[one], max(1, round(share * len(one))), random)] for one in blocks])


class PaDiM(Memory):
    """The Mahalanobis distance of each patch to the Gaussian of normal patches at its place.

    Args:
        backbone: see `Memory`.
        seed: see `Memory`.
        channels: number of channels drawn at random.
    """

    def __init__(self, backbone: nn.Module, seed: int, channels: int = 100) -> None:
        super().__init__(backbone, seed)
        self.channels = channels
        self.mean = self.factor = torch.zeros(0)

    def fit(self, image: Tensor) -> None:
        """See `Memory.fit`."""
        total = sum(one.shape[1] for one in self.backbone(image[:1].float() / 255))
        self.taken = torch.randperm(total, generator=self.random)[: self.channels]
        mean = product = torch.zeros(())
        for one in torch.split(image, _BATCH):
            cells = self._cells(one.float() / 255)
            mean = mean + cells.sum(dim=0)
            product = product + torch.einsum("npc,npd->pcd", cells, cells)
        count = len(image)
        self.mean = mean / count
        covariance = (product - count * torch.einsum("pc,pd->pcd", self.mean, self.mean)) / max(1, count - 1)
        covariance = covariance + 0.01 * torch.eye(self.channels)
        self.factor = torch.linalg.inv(torch.linalg.cholesky(covariance))

    def __call__(self, image: Tensor) -> Tensor:
        """See `Memory.__call__`."""
        cells = self._cells(image) - self.mean
        distance = torch.einsum("pcd,npd->npc", self.factor, cells).norm(dim=2)
        return distance.view(len(image), 1, *self.size)

    @property
    def bytes(self) -> int:
        """See `Memory.bytes`."""
        return self.mean.nbytes + self.factor.nbytes

    def _cells(self, image: Tensor) -> Tensor:
        maps = self.backbone(image)
        self.size = maps[1].shape[-2:]
        level = [
            one
            if one.shape[-1] == self.size[1]
            else F.interpolate(one, self.size, mode="bilinear", align_corners=False, antialias=True)
            for one in maps
        ]
        return torch.cat(level, dim=1)[:, self.taken].flatten(2).transpose(1, 2)


KINDS: dict[str, type[Memory]] = {"patchcore": PatchCore, "padim": PaDiM}


def latency(judge: Any, image: Tensor) -> float:
    """Return the median time in ms that one image takes."""
    times = []
    for _ in range(_LATENCY_ROUNDS):
        start = time.perf_counter()
        judge(image)
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


@torch.no_grad()
def run(kind: str, words: list[str]) -> dict[str, Any]:
    """Fit a memory on the training images of a configuration, and measure it like a run; thresholds included."""
    register()
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        cfg = compose("train", words)
    check_leaves(cfg)
    data: DataModule = instantiate(cfg.data, _convert_="all")
    data.setup()
    space = instantiate(cfg.space, _convert_="all")
    if not isinstance(space, Features):
        raise SystemExit("a memory needs the space of features: add experiment=features")
    score: Score = instantiate(cfg.score, _convert_="all")
    memory = KINDS[kind](space.backbone, cfg.seed)
    start = time.perf_counter()
    memory.fit(data.train.image)
    seconds = time.perf_counter() - start

    def maps(image: Tensor) -> Tensor:
        return torch.cat([memory(one.float() / 255) for one in torch.split(image, _BATCH)])

    score.rule, size, inside = Total(), data.val.image.shape[-2:], data.val.content
    held_out = Normals(score.calibrate(score.combined(maps(data.val.image), size), inside), inside)
    found = score.anomaly_map(score.combined(maps(data.test.image), size))
    thresholds = instantiate(cfg.threshold, _convert_="all")
    result = measure(score.image_score, found, data, thresholds, held_out, engine=cfg.engine)
    label = np.array([sample.label for sample in data.test.samples], dtype=bool)
    facts: dict[str, Any] = {
        "rival": kind,
        "dataset": data.index.dataset,
        "seed": cfg.seed,
        "words": words,
        "seconds": round(seconds, 1),
        "mib": round(memory.bytes / 2**20, 3),
        "ms_an_image": round(latency(memory, data.test.image[:1].float() / 255), 1),
        "threads": torch.get_num_threads(),
        "git_commit": git_commit(),
    } | environment(torch.device("cpu"))
    if isinstance(memory, PatchCore):
        own = torch.cat([memory.image_score(one.float() / 255) for one in torch.split(data.test.image, _BATCH)]).numpy()
        facts |= {"patches": len(memory.bank), "image_auroc_by_own": auroc(own[~label], own[label])}
    return facts | result.metrics


def main() -> None:
    """Run one memory, and write `multirun/features/<set>-<kind>-seed<seed>.json`."""
    if len(sys.argv) < 2 or sys.argv[1] not in KINDS:
        raise SystemExit(f"usage: python -m experiments.features.memory {{{','.join(KINDS)}}} KEY=VALUE …")
    found = run(sys.argv[1], sys.argv[2:])
    name = f"{found['dataset'].removeprefix('folder:')}-{found['rival']}-seed{found['seed']}.json"
    path = Path("multirun/features") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(found, indent=2) + "\n")
    print(f"{path}: image {found['image_auroc']:.4f}, pixel {found['pixel_auroc']:.4f}")


if __name__ == "__main__":
    main()
