import torch
from torch import Tensor, nn


class ImageConv2d(nn.Conv2d):
    """A `Conv2d` that stays in float32 under autocast.

    Rounding the input image to bf16 would shift pixels by up to half a grey level, and with them the whole
    reconstruction. The output has autocast's type, so that no later layer takes longer. On a GPU cuDNN computes in TF32
    if PyTorch allows it, which is PyTorch's default. TF32's ten bits shift pixels by up to an eighth of a grey level.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Convolve images `(B, C, H, W)` in [0, 1] to features `(B, C', H', W')`.

        The features have autocast's type, or without autocast the images' type.
        """
        kind = input.device.type
        if not (torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)):
            return super().forward(input)
        with torch.autocast(kind, enabled=False):
            return super().forward(input.float()).to(torch.get_autocast_dtype(kind))
