"""The folder of an export: its metadata, and the files whose digests they hold."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

FORMAT = 1
METADATA = "metadata.json"
ROI = "roi.png"
MODELS = (("model.onnx",), ("model.xml", "model.bin"))
"""The files of an ONNX model, and those of an OpenVINO model."""
_ENTRIES = {
    "": ("files", "engines", "image", "thresholds", "normals", "percent", "colour_limit"),
    "image": ("height", "width", "size", "multiple_of", "aspect", "content", "roi", "bit_depth", "pages"),
    "thresholds": ("image", "pixel"),
    "percent": ("width",),
}
"""The entries of metadata.json that are read here, and the mappings that hold them."""


class Export(NamedTuple):
    """What the folder of an export holds."""

    metadata: dict[str, Any]
    """The content of metadata.json."""
    identity: str
    """Sixteen hexadecimal digits of metadata.json, and so of all files."""
    model: tuple[bytes, ...]
    """An ONNX model, or the graph and the weights of an OpenVINO model."""
    region: NDArray[np.bool_] | None
    """`(height, width)`, the one region that is judged; None if there is none."""


def read_export(folder: Path) -> Export:
    """Read the folder that `fae.export` wrote, and compare its files with their digests.

    Raises:
        FileNotFoundError: the folder holds no finished export, or lacks a file.
        ValueError: the export has another format, or a file is not the one that was exported.
    """
    try:
        text = (folder / METADATA).read_bytes()
    except OSError as error:
        raise FileNotFoundError(
            f"folder (={folder}) holds no {METADATA}, so it is no finished export; name a folder that fae.export wrote"
        ) from error
    try:
        metadata: dict[str, Any] = dict(json.loads(text))
    except ValueError as error:
        raise ValueError(f"{folder / METADATA} is damaged ({error}); export the run again") from error
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"{folder / METADATA} has format {metadata.get('format')}, but this runtime reads format {FORMAT}; export "
            f"the run again, or install the runtime of fae {dict(metadata.get('versions') or {}).get('fae')}"
        )
    for mapping, names in _ENTRIES.items():
        held = metadata[mapping] if mapping else metadata
        if missing := [name for name in names if name not in held]:
            raise ValueError(f"{folder / METADATA} lacks {', '.join(missing)}; export the run again")
    digests = dict(metadata["files"])
    files = next((files for files in MODELS if digests.keys() >= set(files)), None)
    if files is None:
        raise ValueError(f"{folder / METADATA} names no model; export the run again")
    region = None
    if metadata["image"]["roi"] == ROI:
        png = np.frombuffer(_checked(folder / ROI, digests.get(ROI)), np.uint8)
        region = np.asarray(cv2.imdecode(png, cv2.IMREAD_GRAYSCALE)) > 0
    model = tuple(_checked(folder / name, digests[name]) for name in files)
    return Export(metadata, hashlib.sha256(text).hexdigest()[:16], model, region)


def _checked(path: Path, digest: str | None) -> bytes:
    """Read a file whose digest is known."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileNotFoundError(f"{path} cannot be read ({error.strerror}); export the run again") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(f"{path} is not the file that was exported, because its SHA-256 differs; export the run again")
    return content
