"""The schemas of the configurations' root keys, and the registration of schemas and resolver."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf

from fae.cli.schema_of_use import ExportConfig, MergeConfig, PredictConfig, ServeConfig


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
    continue_from: str | None = None
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
    "export": ExportConfig,
    "merge": MergeConfig,
    "report": ReportConfig,
    "dashboard": DashboardConfig,
    "serve": ServeConfig,
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


def conf_dir(command: str = "train") -> str:
    """Return the folder of a command's configuration: inside the package in a wheel, beside it in a checkout.

    A command with a key that is called like a group, such as `model`, has a folder of its own: beside `conf/model`,
    Hydra would take `model=DIR` for a choice.

    Args:
        command: stem of the command's file.

    Raises:
        FileNotFoundError: the folder is in neither place.
    """
    here = Path(__file__).resolve().parents[1]
    for folder in (here / "conf", here.parent / "conf"):
        if (folder / "train.yaml").is_file():
            own = folder / command
            return str(own if (own / f"{command}.yaml").is_file() else folder)
    raise FileNotFoundError(f"no conf/train.yaml in {here} or beside it; reinstall the package")
