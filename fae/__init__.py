"""Visual anomaly detection by self-supervised autoencoders (Bauer et al., arXiv 2206.11723)."""

import os
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

# This precedes any import of matplotlib, e.g. by torchmetrics: matplotlib would cache its fonts elsewhere.
os.environ.setdefault(
    "MPLCONFIGDIR", str(Path(os.environ.get("FAE_CACHE_DIR", Path.home() / ".cache" / "fae")) / "matplotlib")
)


def __getattr__(name: str) -> Any:
    """Import `fae.load` only when it is asked for: the import takes seconds."""
    if name == "load":
        from fae.detector import load

        return load
    raise AttributeError(f"module 'fae' has no attribute {name!r}")
