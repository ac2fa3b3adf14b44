"""Anomaly detectors that fae has exported, scored without PyTorch: numpy, OpenCV, and onnxruntime or OpenVINO."""

from fae_runtime.detector import Detection, Detector

__version__ = "0.1.0"
__all__ = ["Detection", "Detector"]
