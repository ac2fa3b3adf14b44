from collections.abc import Sequence
from itertools import repeat

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fae.space.recall import Recall
from fae.space.space import Space

SMALLEST = 32
"""The smallest side of an image in pixels: below it a frozen network sees little more than its own border."""

_LEAST = 1e-4  # the least standard deviation of a channel: one that never changes must not blow up


class Features(Space):
    """The features of a frozen network and, as the first level, the image itself.

    All levels are brought to one stride: finer ones are averaged, coarser ones interpolated. Then each cell becomes the
    mean of the cells around it, which tells more of texture and less of chance (the patches of Roth et al. 2022). Each
    channel is standardised by its mean and its spread over the training images, and each level has the same weight: its
    channels are scaled so that their expected sum of squares is C / number of levels. The frozen network sees images
    with a reflected margin, because zeros beyond a border would look like a defect.

    Args:
        name: name of the space in reports.
        backbone: network from images `(B, 3, H, W)` in [0, 1] to a list of feature maps `(B, c, H / s, W / s)`, at
            strides s that are powers of 2; it is frozen.
        channels: number of channels C of this space: 3 for the image, and those of all feature maps.
        stride: side of a cell in pixels, a power of 2.
        around: side in cells of the square that each cell is the mean of, odd, >= 1; 1 leaves the cells as they are.
        margin: width in pixels of the reflected margin, >= 0; it is rounded up to whole cells of the backbone, and is
            narrower for images that have too few pixels to reflect.
        keep: most memory of each process in MiB for the features of undamaged images, >= 0, see
            `fae.space.recall.Recall`.

    Raises:
        ValueError: `channels` is not what the backbone has, or another argument is outside its domain.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        name: str,
        backbone: nn.Module,
        channels: int,
        stride: int = 8,
        around: int = 3,
        margin: int = 32,
        keep: int = 1024,
    ) -> None:
        super().__init__()
        self.name, self.around, self.margin = name, around, margin
        if stride < 1 or stride & (stride - 1):
            raise ValueError(f"stride (={stride}) must be a power of 2; use 8")
        if around < 1 or around % 2 == 0:
            raise ValueError(f"around (={around}) must be an odd number of cells, at least 1; use 3")
        if margin < 0:
            raise ValueError(f"margin (={margin}) must not be negative; use 32")
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
        self.fine = sum(count for count, one in zip(self.levels, (1, *strides), strict=True) if one < stride)
        self.stride, self.coarsest = stride, max(stride, *strides)
        self.shows = f"reconstruction, of the image at stride {stride}"
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("scale", torch.zeros(channels))
        self.recall = Recall(self.forward, keep)
        # Whether the statistics are known is remembered here, because reading it of a GPU would make every step wait.
        self.known = False
        self.register_load_state_dict_post_hook(lambda module, _: module._remember())  # type: ignore[no-untyped-call]

    def _remember(self) -> None:
        self.known = bool(self.scale.any())
        self.forget()

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
    def fit(self, images: Sequence[Tensor], rois: Sequence[Tensor] | None = None) -> None:
        """Learn mean and spread of each channel over the cells that count; see `Space.fit`."""
        if self.known:
            return
        total, squares = (self.mean.new_zeros(len(self.mean), dtype=torch.float64) for _ in range(2))
        cells = 0
        for image, roi in zip(images, rois or repeat(None), strict=False):
            raw = self._raw(image.to(self.mean.device).float() / 255).transpose(0, 1).flatten(1).double()
            raw = raw if roi is None else raw[:, self.cells(roi.to(raw.device)).flatten()]
            total += raw.sum(dim=1)
            squares += raw.square().sum(dim=1)
            cells += raw.shape[1]
        mean = total / cells
        deviation = (squares / cells - mean.square()).clamp_min(0).sqrt().clamp_min(_LEAST)
        share = [len(self.mean) / len(self.levels) / count for count in self.levels]
        weight = torch.cat([torch.full((c,), one) for c, one in zip(self.levels, share, strict=True)]).sqrt()
        self.mean.copy_(mean)
        self.scale.copy_(weight.to(deviation) / deviation)
        self._remember()

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        """Map images `(B, 3, H, W)` in [0, 1] to standardised features `(B, C, h, w)`.

        h and w are H and W divided by the stride, rounded up to the coarsest cell of the backbone.

        Raises:
            ValueError: the images are smaller than 32 px.
            RuntimeError: the statistics are missing, because `fit` has not run and no checkpoint was loaded.
        """
        self.check(image.shape[-2:])
        if not self.known:
            raise RuntimeError("the features have no statistics; call fit(training images), or load a checkpoint")
        return (self._raw(image) - self.mean.view(1, -1, 1, 1)) * self.scale.view(1, -1, 1, 1)

    def undamaged(self, image: Tensor) -> Tensor:
        """See `Space.undamaged`; what comes back is not computed again."""
        return self.recall(image)

    def forget(self) -> None:
        """See `Space.forget`."""
        self.recall.forget()

    def _raw(self, image: Tensor) -> Tensor:
        """Return the levels `(B, C, h, w)` side by side, in the units of the backbone."""
        height, width = (-(-side // self.coarsest) * self.coarsest for side in image.shape[-2:])
        if (height, width) != image.shape[-2:]:
            image = F.interpolate(image, (height, width), mode="bilinear", align_corners=False, antialias=True)
        margin = min(-(-self.margin // self.coarsest), (min(height, width) - 1) // self.coarsest) * self.coarsest
        image = F.pad(image, (margin,) * 4, mode="reflect")
        maps = [image, *self.backbone(image.contiguous(memory_format=torch.channels_last))]
        size = image.shape[-2] // self.stride, image.shape[-1] // self.stride
        cells = torch.cat([_at_size(one.float(), size) for one in maps], dim=1)
        around = F.avg_pool2d(cells, self.around, 1, self.around // 2, count_include_pad=False)
        edge = margin // self.stride
        return around[..., edge : size[0] - edge, edge : size[1] - edge]

    def mask(self, mask: Tensor) -> Tensor:
        """Average masks `(B, 1, H, W)` in [0, 1] over the cells, to `(B, 1, h, w)`."""
        height, width = (-(-side // self.coarsest) * self.coarsest // self.stride for side in mask.shape[-2:])
        return F.adaptive_avg_pool2d(mask, (height, width)).clamp(0, 1)

    def picture(self, point: Tensor, size: Sequence[int]) -> Tensor:
        """Show the image level of points `(B, C, h, w)`, one cell for `stride` pixels, as `(B, 3, *size)` in [0, 1]."""
        image = (point / self.scale.view(1, -1, 1, 1) + self.mean.view(1, -1, 1, 1))[:, :3]
        return F.interpolate(image.clamp(0, 1), tuple(size), mode="bilinear", align_corners=False)


def _at_size(level: Tensor, size: tuple[int, int]) -> Tensor:
    if level.shape[-1] >= size[1]:
        return F.adaptive_avg_pool2d(level, size)
    return F.interpolate(level, size, mode="bilinear", align_corners=False)
