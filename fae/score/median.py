import torch
from torch import Tensor


def median(values: Tensor) -> Tensor:
    """Return the lower median of the last dimension: `(..., N)` to `(...)`.

    A CPU selects it, which takes a fifth of the time of sorting. Elsewhere the values are sorted: CUDA's own median is
    not deterministic along a dimension, and ONNX has none.

    Examples:
        >>> import torch
        >>> median(torch.tensor([[4.0, 1.0, 3.0, 2.0]]))
        tensor([2.])
    """
    if values.device.type == "cpu" and not torch.compiler.is_exporting():
        return values.median(dim=-1).values
    count = values.shape[-1]
    return values.sort(dim=-1).values[..., (count - 1) // 2]
