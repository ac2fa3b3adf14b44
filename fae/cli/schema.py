"""The schemas of the configurations' root keys, and the registration of schemas and resolver."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf


@dataclass
class Category:
    """The facts of a category; other keys read them."""

    name: str = MISSING
    image_size: Any = None
    kernel_size: int = 3
    rotate: bool = False
    flip_horizontal: bool = False
    flip_vertical: bool = False
    k: int = 5
    n: int = 2
    t: float = 0.0
    noise_sigma: float = 0.0


@dataclass
class TrainConfig:
    """The root keys of conf/train.yaml; all others are refused."""

    seed: int = 0
    run_dir: str | None = None
    cache_dir: str = MISSING
    pictures: int = 16
    tags: list[str] = field(default_factory=list)
    category: Category = field(default_factory=Category)
    data: Any = MISSING
    space: Any = MISSING
    model: Any = MISSING
    head: Any = MISSING
    objective: Any = MISSING
    corruption: Any = MISSING
    unseen: Any = MISSING
    score: Any = MISSING
    threshold: Any = MISSING
    metric: dict[str, Any] = field(default_factory=dict)
    engine: str = "exact"
    optimizer: Any = MISSING
    scheduler: Any = MISSING
    trainer: Any = MISSING
    logger: Any = MISSING
    callback: Any = MISSING


@dataclass
class Calibration:
    """The source of the thresholds, if it is not the run's own held-out images."""

    root: str | None = None
    runs: list[str] | None = None


@dataclass
class EvaluateConfig:
    """The root keys of conf/evaluate.yaml; all others are refused."""

    run_dir: str = MISSING
    name: str | None = None
    data: Any = MISSING
    score: Any = MISSING
    threshold: Any = MISSING
    metric: dict[str, Any] = field(default_factory=dict)
    engine: str | None = None
    grid: Any = None
    select: str | None = None
    ensemble: list[str] | None = None
    ensemble_scale: str = "none"
    calibration: Calibration = field(default_factory=Calibration)
    trainer: Any = MISSING


@dataclass
class Write:
    """The files that fae.predict writes beside its table."""

    map: bool = True
    mask: bool = True
    overlay: bool = True


@dataclass
class GivenThresholds:
    """The thresholds that a user sets in place of a run's own."""

    image: float | None = None
    pixel: float | None = None


@dataclass
class GivenShard:
    """One of several equal commands that share the files of one input."""

    count: int = 1
    index: int = 0


@dataclass
class PredictConfig:
    """The keys of conf/predict.yaml; all others are refused."""

    run_dir: str = MISSING
    input: Any = MISSING
    output: str = MISSING
    evaluation: str | None = None
    threshold: GivenThresholds = field(default_factory=GivenThresholds)
    size: str = "run"
    tile: int | None = None
    overlap: int | None = None
    write: Write = field(default_factory=Write)
    maps: str = "all"
    device: str = "auto"
    shard: GivenShard = field(default_factory=GivenShard)
    batch_size: int = 16
    threads: int | None = None


@dataclass
class MergeConfig:
    """The keys of conf/merge.yaml; all others are refused."""

    output: str = MISSING
    format: Any = "csv"


@dataclass
class OtherNormals:
    """The folder of normal images that an export's thresholds come from, if they are not the held-out ones."""

    root: str | None = None


@dataclass
class ExportConfig:
    """The keys of conf/export.yaml; all others are refused."""

    output: str = MISSING
    run_dir: str | None = None
    verify: str | None = None
    evaluation: str | None = None
    size: str = "run"
    precision: str = "float32"
    data: Any = MISSING
    score: Any = MISSING
    threshold: Any = MISSING
    ensemble: list[str] | None = None
    ensemble_scale: str = "none"
    calibration: OtherNormals = field(default_factory=OtherNormals)


@dataclass
class ReportConfig:
    """The keys of conf/report.yaml; all others are refused."""

    sweep_dir: str = MISSING
    pictures: int = 12


@dataclass
class CheckConfig:
    """The keys of conf/check.yaml; all others are refused."""

    data: Any = MISSING
    root: str | None = None
    categories: Any = None


@dataclass
class Archive:
    """An archive of a public data set; without a checksum it is fetched by hand."""

    urls: list[str] = field(default_factory=list)
    checksum: str | None = None
    page: str = MISSING
    licence: str = MISSING
    holds: str = "train"
    into: str | None = None
    layout: str = ""


@dataclass
class DownloadConfig:
    """The keys of conf/download.yaml; all others are refused."""

    data: Any = MISSING
    root: str | None = None
    urls: list[str] | None = None
    sha256: str | None = None
    archives: dict[str, Archive] = field(default_factory=dict)
    timeout_s: float = 60.0


@dataclass
class DashboardConfig:
    """The keys of conf/dashboard.yaml; all others are refused."""

    project: str = MISSING
    entity: str | None = None
    name: str = MISSING
    save: bool = False


SCHEMAS: dict[str, type] = {
    "train": TrainConfig,
    "evaluate": EvaluateConfig,
    "predict": PredictConfig,
    "merge": MergeConfig,
    "export": ExportConfig,
    "report": ReportConfig,
    "dashboard": DashboardConfig,
    "check": CheckConfig,
    "download": DownloadConfig,
}


def register() -> None:
    """Register the schemas with Hydra and the resolver with OmegaConf; repeated calls change nothing."""
    for name, schema in SCHEMAS.items():
        ConfigStore.instance().store(name=f"{name}_schema", node=schema)
    OmegaConf.register_new_resolver(
        "fraction", lambda whole, part: max(1, round(whole * part)), replace=True, use_cache=False
    )


def conf_dir() -> str:
    """Return the folder of the configuration tree: inside the package in a wheel, beside it in a checkout.

    Raises:
        FileNotFoundError: the folder is in neither place.
    """
    here = Path(__file__).resolve().parents[1]
    for folder in (here / "conf", here.parent / "conf"):
        if (folder / "train.yaml").is_file():
            return str(folder)
    raise FileNotFoundError(f"no conf/train.yaml in {here} or beside it; reinstall the package")
