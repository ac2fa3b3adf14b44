import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def fold_batch_norm(model: nn.Module) -> None:
    """Fold each batch norm that follows a convolution into its weights, for scoring: the same map, fewer passes.

    Saves 8 % of a full-size forward pass on the CPU and 17 % of a small one, see experiments/benchmark. What comes out
    differs by rounding alone; what follows a concatenation stays. The model cannot be trained any more.

    Args:
        model: is changed, and put into evaluation mode.
    """
    model.eval()
    with torch.no_grad():
        for part in model.modules():
            if not isinstance(part, nn.Sequential):
                continue
            for i in range(len(part) - 1):
                convolution, norm = part[i], part[i + 1]
                if isinstance(convolution, _CONVOLUTIONS) and isinstance(norm, nn.BatchNorm2d):
                    transposed = isinstance(convolution, nn.ConvTranspose2d)
                    part[i], part[i + 1] = fuse_conv_bn_eval(convolution, norm, transposed), nn.Identity()
    model.requires_grad_(False)
