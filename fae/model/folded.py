import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def fold_batch_norm(model: nn.Module) -> None:
    """Fold each batch norm that follows a convolution into the convolution's weights, which makes scoring faster.

    Folding saves 8 % of a full-size forward pass on the CPU and 17 % of a small one, see experiments/benchmark. The
    output changes by rounding alone. A batch norm that follows a concatenation stays as it is. The folded model cannot
    be trained any more.

    Args:
        model: model that is changed in place and put into evaluation mode.
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
