"""The schemas of the commands that use a finished run: predictions, exports and the page."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING


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
class ServeConfig:
    """The keys of conf/serve/serve.yaml; all others are refused."""

    model: str = MISSING
    evaluation: str | None = None
    host: str = "127.0.0.1"
    port: int = 7860
    max_megapixels: float = 50
    max_upload_mb: float = 100
    cache_dir: str = MISSING
