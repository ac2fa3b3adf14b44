"""The configuration of the benchmark: every key of `fae.train`, and its own."""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore

from fae.cli.schema import TrainConfig, register

PARTS = ("training", "inference", "memory", "switches", "layers", "scale", "data")


@dataclass
class Benchmark:
    """What is measured."""

    parts: list[str] = field(default_factory=lambda: ["training", "inference", "memory"])
    """Some of `PARTS`."""
    seconds: float = 60.0
    """Of each part, or of each of its points, about; three rounds at least."""
    sides: list[int] = field(default_factory=lambda: [256, 512])
    """Pixels, sides of the images of inference."""
    batches: list[int] = field(default_factory=lambda: [1, 16])
    """Images at a time, in inference."""
    images: list[int] = field(default_factory=lambda: [100, 1000, 10000, 50000])
    """Training images, generated, for part data."""


@dataclass
class BenchmarkConfig(TrainConfig):
    """The root keys of conf/train.yaml, and those of the benchmark."""

    benchmark: Benchmark = field(default_factory=Benchmark)


def register_benchmark() -> None:
    """Make the configuration `benchmark` known to Hydra; idempotent."""
    register()
    store = ConfigStore.instance()
    store.store(name="benchmark_schema", node=BenchmarkConfig)
    node: dict[str, Any] = {"defaults": ["train", "benchmark_schema", "_self_"]}
    store.store(name="benchmark", node=node)
