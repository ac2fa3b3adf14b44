from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fae.space.space import Space

SMALLEST = 32
"""The smallest side of an image in pixels: below it a frozen network sees little more than its own border."""

_LEAST = 1e-4  # the least standard deviation of a channel: one that never changes must not blow up


class Features(Space):
    """The features of a frozen network and, as the first level, the image itself.

    All levels are brought to one stride: finer ones are averaged, coarser ones interpolated. Each channel is
    standardised by its mean and its spread over the training images, and each level has the same weight: its channels
    are scaled so that their expected sum of squares is C / number of levels. Then all channels are turned to their
    principal axes. This changes no distance; but a network whose first layer is a batch norm sees whitened features, in
    which what breaks the rules of normal texture stands out, however small it is.

    Args:
        name: name of the space in reports.
        backbone: network from images `(B, 3, H, W)` in [0, 1] to a list of feature maps `(B, c, H / s, W / s)`, at
            strides s that are powers of 2; it is frozen.
        channels: number of channels C of this space: 3 for the image, and those of all feature maps.
        stride: side of a cell in pixels, a power of 2.

    Raises:
        ValueError: `channels` is not what the backbone has, or `stride` is not a power of 2.
    """

    mean: Tensor
    scale: Tensor
    axes: Tensor

    def __init__(self, name: str, backbone: nn.Module, channels: int, stride: int = 8) -> None:
        super().__init__()
        self.name = name
        if stride < 1 or stride & (stride - 1):
            raise ValueError(f"stride (={stride}) must be a power of 2; use 8")
        self.backbone = backbone.requires_grad_(False).eval()
        with torch.no_grad():
            maps = self.backbone(torch.zeros(1, 3, 2 * SMALLEST, 2 * SMALLEST))
        strides = [2 * SMALLEST // one.shape[-1] for one in maps]
        self.levels = (3, *(one.shape[1] for one in maps))
        if sum(self.levels) != channels:
            raise ValueError(
                f"channels (={channels}) must be 3 for the image and those of the feature maps, "
                f"{' + '.join(map(str, self.levels))} = {sum(self.levels)}"
            )
        self.names = ("image", *(f"stride {one}" for one in strides))
        self.stride, self.coarsest = stride, max(stride, *strides)
        self.shows = f"reconstruction, of the image at stride {stride}"
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("scale", torch.zeros(channels))
        self.register_buffer("axes", torch.zeros(channels, channels))
        # Whether the statistics are known is remembered here, because reading it of a GPU would make every step wait.
        self.known = False
        self.register_load_state_dict_post_hook(lambda module, _: module._remember())  # type: ignore[no-untyped-call]

    def _remember(self) -> None:
        self.known = bool(self.axes.any())

    def train(self, mode: bool = True) -> "Features":
        """Stay in evaluation mode: nothing here is trained."""
        return super().train(False)

    def check(self, size: Sequence[int]) -> None:
        """See `Space.check`."""
        least = max(SMALLEST, self.stride)
        if min(size) < least:
            raise ValueError(
                f"images of {size[0]}×{size[1]} pixels are too small for features, which need {least} px on each side; "
                "raise data.image_size or data.crop_sizes, or use space=pixel"
            )

    @torch.no_grad()
    def fit(self, images: Sequence[Tensor]) -> None:
        """Learn mean, spread and principal axes; see `Space.fit`."""
        if self.known:
            return
        channels = len(self.mean)
        total, products = (self.mean.new_zeros(size, dtype=torch.float64) for size in (channels, (channels, channels)))
        cells = 0
        for image in images:
            raw = self._raw(image.to(self.mean.device).float() / 255).transpose(0, 1).flatten(1).double()
            total += raw.sum(dim=1)
            products += raw @ raw.T
            cells += raw.shape[1]
        mean = total / cells
        covariance = products / cells - torch.outer(mean, mean)
        deviation = covariance.diagonal().clamp_min(0).sqrt().clamp_min(_LEAST)
        share = [channels / len(self.levels) / count for count in self.levels]
        weight = torch.cat([torch.full((c,), one) for c, one in zip(self.levels, share, strict=True)]).sqrt()
        scale = weight.to(deviation) / deviation
        self.mean.copy_(mean)
        self.scale.copy_(scale)
        self.axes.copy_(
            torch.linalg.eigh(covariance * torch.outer(scale, scale)).eigenvectors.T.flip(0)
        )  # widest first
        self._remember()

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        """Map images `(B, 3, H, W)` in [0, 1] to features `(B, C, h, w)` along their principal axes.

        h and w are H and W divided by the stride, rounded up to the coarsest cell of the backbone.

        Raises:
            ValueError: the images are smaller than 32 px.
            RuntimeError: the statistics are missing, because `fit` has not run and no checkpoint was loaded.
        """
        self.check(image.shape[-2:])
        if not self.known:
            raise RuntimeError("the features have no statistics; call fit(training images), or load a checkpoint")
        centred = self._raw(image) - self.mean.view(1, -1, 1, 1)
        return _turned(centred, self.axes * self.scale)

    @torch.no_grad()
    def levelled(self, point: Tensor) -> Tensor:
        """Turn points `(B, C, h, w)` back to the channels of the levels, standardised."""
        return _turned(point, self.axes.T)

    def _raw(self, image: Tensor) -> Tensor:
        """Return the levels `(B, C, h, w)` side by side, as the backbone gives them."""
        height, width = (-(-side // self.coarsest) * self.coarsest for side in image.shape[-2:])
        if (height, width) != image.shape[-2:]:
            image = F.interpolate(image, (height, width), mode="bilinear", align_corners=False, antialias=True)
        maps = [image, *self.backbone(image.contiguous(memory_format=torch.channels_last))]
        return torch.cat([self._at_stride(one.float(), (height, width)) for one in maps], dim=1)

    def _at_stride(self, level: Tensor, size: tuple[int, int]) -> Tensor:
        height, width = size[0] // self.stride, size[1] // self.stride
        if level.shape[-1] >= width:
            return F.adaptive_avg_pool2d(level, (height, width))
        return F.interpolate(level, (height, width), mode="bilinear", align_corners=False)

    def mask(self, mask: Tensor) -> Tensor:
        """Average masks `(B, 1, H, W)` in [0, 1] over the cells, to `(B, 1, h, w)`."""
        height, width = (-(-side // self.coarsest) * self.coarsest // self.stride for side in mask.shape[-2:])
        return F.adaptive_avg_pool2d(mask, (height, width)).clamp(0, 1)

    def picture(self, point: Tensor, size: Sequence[int]) -> Tensor:
        """Show the image level of points `(B, C, h, w)`, one cell for `stride` pixels, as `(B, 3, *size)` in [0, 1]."""
        image = (self.levelled(point) / self.scale.view(1, -1, 1, 1) + self.mean.view(1, -1, 1, 1))[:, :3]
        return F.interpolate(image.clamp(0, 1), tuple(size), mode="bilinear", align_corners=False)


def _turned(point: Tensor, axes: Tensor) -> Tensor:
    # In bf16 the rounding of wide axes would drown the narrow ones.
    with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
        return F.conv2d(point.float(), axes[..., None, None])
