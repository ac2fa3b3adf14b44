"""A detector that needs no run: the score is the brightness of the brightest pixel, from 0 to 1."""

import os
import threading
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fae.detector import Detection
from fae.image import ReadImage
from fae.serve.model import Model

NORMALS = np.linspace(0.3, 0.68, 20)
"""Two of them exceed the threshold."""
THRESHOLD = 0.65

_busy = threading.Lock()


def detect(image: NDArray[np.uint8]) -> Detection:
    if not _busy.acquire(blocking=False):
        raise RuntimeError("two pictures are scored at once")
    try:
        time.sleep(0.05)
        anomaly_map = (image.mean(axis=2) / 255).astype(np.float32)
        score = float(anomaly_map.max())
        return Detection(anomaly_map, score, score > THRESHOLD, anomaly_map > THRESHOLD)
    finally:
        _busy.release()


def logistic(score: float) -> float:
    return float(100 / (1 + np.exp(-(score - THRESHOLD) / 0.1)))


def model(threshold: float | None = THRESHOLD, normals: NDArray[np.float64] = NORMALS) -> Model:
    read = ReadImage()
    why = "image_rate (=0.05) needs 19 images"
    return Model("bright", lambda file: read(file).rgb, detect, 1.0, threshold, why, normals, logistic)


def serve(port: int, cache: Path) -> None:
    """Serve it in a process of its own."""
    from fae.serve.server import application, listening, run, workplace

    os.environ["GRADIO_IS_E2E_TEST"] = "1"  # pictures go one second after their page is closed, not an hour

    with listening("127.0.0.1", port) as opened, workplace(cache):
        run(application(model(), max_megapixels=1, max_upload_mb=2), opened)
