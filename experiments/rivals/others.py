"""Trains one model of anomalib for a given number of seconds through its own API, in an environment of its own.

.venv-rivals/bin/python -m experiments.rivals.others draem 120 $PIPED/PA_FVN01_TL --seed 0 --textures $DTD

The model keeps its own losses and augmentation. It gets the image size, the test images and the clock of the other
rivals (the processor time of one thread), and all of train/good.
Nothing is downloaded: a model whose pretrained weights are not on the disk is recorded as absent.
"""

import argparse
import json
import os
import resource
import shutil
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no download, unless the user asks for it

import anomalib
import numpy as np
import torch
from anomalib.callbacks import ModelCheckpoint
from anomalib.data import Folder
from anomalib.engine import Engine
from anomalib.models import Draem, EfficientAd, Ganomaly, Patchcore
from lightning.pytorch import Callback, LightningModule, Trainer

from fae.machine.provenance import environment, git_commit

SWEEP = Path("multirun/rivals")
NAMES = ("draem", "ganomaly", "patchcore", "efficientad")
_PLAIN = {"post_processor": False, "evaluator": False, "visualizer": False}
_BATCH = {"draem": 8, "ganomaly": 8, "patchcore": 32, "efficientad": 1}  # our choice for the models that learn by steps
_LATENCY_ROUNDS = 10


class AbsentError(Exception):
    """The pretrained weights of a model are not on the disk."""


class Budget(Callback):
    """Ends training when its processor time is spent. Lightning's Timer counts the wall clock instead."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.spent, self._start = seconds, 0.0, 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._start = time.process_time()

    def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
        """Stop after the step in which the budget is spent."""
        self.spent = time.process_time() - self._start
        trainer.should_stop = self.spent >= self.seconds


def build(name: str, side: int, textures: Path | None) -> torch.nn.Module:
    model = {"draem": Draem, "ganomaly": Ganomaly, "patchcore": Patchcore, "efficientad": EfficientAd}[name]
    common = {**_PLAIN, "pre_processor": model.configure_pre_processor(image_size=(side, side))}
    if name == "draem":
        if textures is None or not textures.is_dir():
            raise SystemExit(f"draem needs --textures (={textures}), a folder of pictures (DTD) to draw anomalies from")
        return Draem(dtd_dir=textures, **common)
    if name == "ganomaly":
        return Ganomaly(batch_size=_BATCH[name], **common)
    if name == "patchcore":
        try:
            return Patchcore(**common)
        except (OSError, RuntimeError) as error:  # raised by the model hub, which is offline
            raise AbsentError(f"no weights of its backbone: {type(error).__name__}") from error
    for folder in ("pre_trained/efficientad_pretrained_weights", "datasets/imagenette"):
        if not Path(folder).is_dir():  # the model would download it when training starts
            raise AbsentError(f"no {folder}")
    return EfficientAd(**common)


def datamodule(root: Path, batch: int) -> Folder:
    types = sorted(path.name for path in (root / "test").iterdir() if path.is_dir() and path.name != "good")
    return Folder(
        name=root.name,
        root=root,
        normal_dir="train/good",
        normal_test_dir="test/good",
        abnormal_dir=[f"test/{kind}" for kind in types],
        mask_dir=[f"ground_truth/{kind}" for kind in types],
        train_batch_size=batch,
        eval_batch_size=8,
        num_workers=0,
        val_split_mode="none",
    )


def run(name: str, budget_s: float, root: Path, side: int, seed: int, textures: Path | None) -> Path:
    if not root.is_dir():
        raise SystemExit(f"root (={root}) is no folder; give one in the MVTec AD layout")
    folder = SWEEP / f"{root.name}-{name}-{budget_s:g}s-seed{seed}"
    asked = [f"side={side}", f"batch={_BATCH[name]}", f"anomalib={anomalib.__version__}"]
    if (folder / "facts.json").is_file():
        before = json.loads((folder / "facts.json").read_text())
        if before.get("words") != asked:
            raise SystemExit(f"{folder} was trained with {before.get('words')}, not {asked}; move it away")
        if "absent" not in before:
            print(f"{folder} is there")
            return folder
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    facts: dict[str, object] = {
        "rival": name,
        "dataset": f"folder:{root.name}",
        "seed": seed,
        "words": asked,
        "budget_s": budget_s,
        "git_commit": git_commit(),
    } | environment(torch.device("cpu"), ("anomalib", "torch", "lightning", "numpy"))
    torch.manual_seed(seed)
    np.random.seed(seed)
    try:
        model = build(name, side, textures)
    except AbsentError as error:
        facts["absent"] = str(error)
        (folder / "facts.json").write_text(json.dumps(facts, indent=2) + "\n")
        print(f"{folder}: absent: {facts['absent']}")
        return folder
    data = datamodule(root, _BATCH[name])
    budget = Budget(budget_s)
    engine = Engine(
        # A checkpoint after each of the short epochs would take more time than training.
        callbacks=[budget, ModelCheckpoint(dirpath=folder, every_n_train_steps=10**9)],
        logger=False,
        default_root_dir=folder / "anomalib",
        accelerator="cpu",
        devices=1,
        max_epochs=10**6,  # the budget ends it
        enable_progress_bar=False,
        limit_val_batches=0,
    )
    start = time.perf_counter()
    engine.fit(model=model, datamodule=data)
    wall = time.perf_counter() - start
    predictions = engine.predict(model=model, datamodule=data)
    maps, scores, paths = [], [], []
    for batch in predictions:
        paths += list(batch.image_path)
        scores.append(batch.pred_score.flatten().float().numpy())
        if batch.anomaly_map is not None:
            maps.append(batch.anomaly_map.float().numpy().reshape(len(batch.image_path), *batch.anomaly_map.shape[-2:]))
    model.eval()
    image = next(iter(data.test_dataloader())).image[:1]
    times = []
    with torch.inference_mode():
        for _ in range(_LATENCY_ROUNDS):
            start = time.process_time()
            model(image)
            times.append(time.process_time() - start)
    facts |= {
        "seconds": round(budget.spent, 1),
        "wall_s": round(wall, 1),
        "steps": engine.trainer.global_step // (2 if name == "ganomaly" else 1),  # two optimisers count
        "images_seen": engine.trainer.global_step // (2 if name == "ganomaly" else 1) * _BATCH[name],
        "train_images": len(data.train_data),
        "image_size": side,
        "parameters": sum(p.numel() for p in model.model.parameters()),
        "latency_ms": round(1e3 * float(np.median(times)), 2),
        "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "own_score": "its own",
    }
    arrays = {"image_score": np.concatenate(scores), "path": np.array([str(Path(p).resolve()) for p in paths])}
    if maps:
        arrays["anomaly_map"] = np.concatenate(maps)
    np.savez_compressed(folder / "maps.npz", **arrays)
    shutil.rmtree(folder / "anomalib", ignore_errors=True)
    (folder / "facts.json").write_text(json.dumps(facts, indent=2) + "\n")
    print(f"{folder}: {facts['steps']} steps in {facts['seconds']} s")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("budget", type=float, help="seconds of training on one thread")
    parser.add_argument("root", type=Path, help="a folder in the MVTec AD layout")
    parser.add_argument("--side", type=int, default=128, help="image size in px")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--textures", type=Path, help="a folder of pictures from which draem draws anomalies")
    asked = parser.parse_args()
    if not 0 < asked.budget < float("inf"):
        parser.error(f"budget (={asked.budget:g}) must be positive and finite")
    run(asked.name, asked.budget, asked.root.resolve(), asked.side, asked.seed, asked.textures)


if __name__ == "__main__":
    main()
