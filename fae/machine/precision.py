import torch


def on_gpu(accelerator: str) -> bool:
    """Return whether Lightning will run on a CUDA device, given the name of its accelerator, "auto" included."""
    return accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()


def best_precision(accelerator: str) -> str:
    """Return the Lightning precision for a device: bf16 autocast if it computes bf16 natively, otherwise float32.

    Args:
        accelerator: Lightning's name of the accelerator, "auto" included.
    """
    if on_gpu(accelerator):
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    if accelerator in ("auto", "cpu"):
        able = torch.cpu.get_capabilities()
        return "bf16-mixed" if able.get("avx512_bf16") or able.get("amx_bf16") else "32-true"
    return "32-true"
