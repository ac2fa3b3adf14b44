"""Visual anomaly detection by self-supervised autoencoders (Bauer et al., arXiv 2206.11723)."""

import os
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

# Before anything imports matplotlib (torchmetrics does), which would write its cache of fonts elsewhere.
os.environ.setdefault(
    "MPLCONFIGDIR", str(Path(os.environ.get("FAE_CACHE_DIR", Path.home() / ".cache" / "fae")) / "matplotlib")
)


def __getattr__(name: str) -> Any:
    """`fae.load`, which takes seconds to import, only where it is asked for."""
    if name == "load":
        from fae.detector import load

        return load
    raise AttributeError(f"module 'fae' has no attribute {name!r}")
