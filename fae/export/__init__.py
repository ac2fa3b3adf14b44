"""A finished run as one ONNX graph with the same scores, for machines that have no PyTorch."""
