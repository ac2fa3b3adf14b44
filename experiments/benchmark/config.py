"""The configuration of the benchmark: every key of `fae.train`, and the group `benchmark`."""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore

from fae.cli.schema import TrainConfig, register


@dataclass
class Benchmark:
    """What the benchmark measures."""

    parts: list[str] = field(default_factory=lambda: ["training", "inference", "memory"])
    """Names of `experiments.benchmark.parts.PARTS`, in the order in which they are measured."""
    seconds: float = 60.0
    """Approximate duration in seconds of a part, or of each size of images within a part; at least three rounds run."""
    sides: list[int] = field(default_factory=lambda: [256, 512])
    """Sides in pixels of the square images that are scored."""
    batches: list[int] = field(default_factory=lambda: [1, 16])
    """Numbers of images that are scored at a time."""
    images: list[int] = field(default_factory=lambda: [100, 1000, 10000, 50000])
    """Numbers of generated training images for the part `data`."""
    memory_gib: float | None = None
    """Memory in GiB that a part may use; null: what the machine has available."""
    matrix_side: int | None = None
    """Side of the square matrices whose product gives the matrix rate; null: 8192 on a GPU, 2048 on a CPU."""


@dataclass
class BenchmarkConfig(TrainConfig):
    """The root keys of conf/train.yaml, and `benchmark`."""

    benchmark: Benchmark = field(default_factory=Benchmark)


def register_benchmark() -> None:
    """Make the configuration `benchmark` known to Hydra; repeated calls change nothing."""
    register()
    store = ConfigStore.instance()
    store.store(name="benchmark_schema", node=BenchmarkConfig)
    node: dict[str, Any] = {"defaults": ["train", "benchmark_schema", "_self_"]}
    store.store(name="benchmark", node=node)
