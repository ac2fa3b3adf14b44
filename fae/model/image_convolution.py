import torch
from torch import Tensor, nn


class ImageConv2d(nn.Conv2d):
    """As in torch, in float32 under autocast too, for bf16 moves pixels by up to half a grey level.

    Rounding them and the weights here moves the whole reconstruction; experiments/benchmark says by how much. What
    comes out has autocast's type, so that no later layer takes longer. On a GPU cuDNN computes in TF32 where PyTorch
    lets it, as it does by default: its ten bits move pixels by up to an eighth of a grey level.
    """

    def forward(self, input: Tensor) -> Tensor:
        """`(B, C, H, W)`, in [0, 1], to `(B, C', H', W')` of autocast's type, or of the image's without autocast."""
        kind = input.device.type
        if not (torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)):
            return super().forward(input)
        with torch.autocast(kind, enabled=False):
            return super().forward(input.float()).to(torch.get_autocast_dtype(kind))
