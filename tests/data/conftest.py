import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hydra.utils import instantiate

from fae.data.folder import folder
from fae.data.module import DataModule
from tests.conftest import compose_train


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes, as on a disk without room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def build(tiny: Path) -> Callable[..., DataModule]:
    def make(step: int = 0, rank: int = 0, world_size: int = 1, root: Path = tiny, **keys: Any) -> DataModule:
        elastic = instantiate(compose_train("corruption=elastic").corruption, _convert_="all")
        defaults = {"corruption": elastic, "batch_size": 4, "max_steps": 30}
        data = DataModule(folder, str(root), "generic", **defaults | keys)
        data.trainer = SimpleNamespace(  # type: ignore[assignment]
            global_step=step,
            global_rank=rank,
            world_size=world_size,
            training=True,
            strategy=SimpleNamespace(root_device=torch.device("cpu")),
        )
        data.setup()
        return data

    return make
