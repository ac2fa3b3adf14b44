from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import compose_tiny, write_tiny


@pytest.fixture(scope="session")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A sweep of three runs on a tiny set: filter and amplify with elastic damage, filter with zeros."""
    from fae.train import train  # seconds, which most tests need not wait for

    root = tmp_path_factory.mktemp("experiments")
    write_tiny(root / "tiny", train=16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "disabled")
        patch.setenv("FAE_CACHE_DIR", str(root / "cache"))
        patch.chdir(root)
        for objective, corruption in (("filter", "elastic"), ("amplify", "elastic"), ("filter", "cut_out")):
            words = (f"objective={objective}", f"corruption={corruption}", "threshold.pixel_rate=0.05")
            train(compose_tiny(root / "tiny", root / "sweep" / f"{objective}-{corruption}", *words))
        yield root / "sweep"
