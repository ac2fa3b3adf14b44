"""A finished run as a detector: it turns images into maps, scores and decisions, without data set and trainer."""

from fae.detector.detector import SIZES, Detection, Detector
from fae.detector.from_run import load

__all__ = ["SIZES", "Detection", "Detector", "load"]
