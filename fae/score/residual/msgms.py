import torch
import torch.nn.functional as F
from torch import Tensor

from fae.score.residual.shapes import check_colours, check_shapes

_SCALES = 4  # the whole image, a half, a quarter and an eighth
_LEAST_SIDE = 2**_SCALES  # px: two of the coarsest scale
_CONSTANT = 0.0026  # c of Xue et al. 2014 for intensities up to 1, as in Zavrtanik et al. 2021
_PREWITT = ((1 / 3, 0.0, -1 / 3),) * 3


class GradientDissimilarity:
    """1 − MSGMS, the multi-scale gradient magnitude similarity (Zavrtanik et al. 2021, "RIAD", eq. 4 to 6).

    Edges are compared at four scales, so that a defect counts by its structure at any size, and a slow change of
    brightness hardly counts.

    Examples:
        >>> import torch
        >>> image = torch.rand(1, 3, 16, 16)
        >>> float(GradientDissimilarity()(image, image).max())
        0.0
    """

    name = "msgms"

    def __call__(self, image: Tensor, reconstruction: Tensor, roi: Tensor | None = None) -> Tensor:
        """Compare images.

        Args:
            image: `(B, C, H, W)` images, intensities in [0, 1]; no side is below 16 px.
            reconstruction: `(B, C, H, W)` reconstructions, intensities in [0, 1].
            roi: `(B, 1, H, W)` bool, the pixels that are compared; both images have one colour elsewhere, so that edges
                of the region are alike. None takes all.

        Returns:
            `(B, 1, H, W)` residuals in [0, 1]; higher means more anomalous.

        Raises:
            ValueError: the shapes differ, or they are those of features, or the images are too small.
        """
        check_shapes(image, reconstruction)
        check_colours(self.name, image)
        size = image.shape[-2:]
        if min(size) < _LEAST_SIDE:
            raise ValueError(
                f"score/residual=msgms compares images at an eighth of their size, too, and needs {_LEAST_SIDE}×"
                f"{_LEAST_SIDE} px; these have {size[0]}×{size[1]}: use larger ones, or score/residual=squared"
            )
        pair = torch.cat([shown.float().mean(dim=1, keepdim=True) for shown in (image, reconstruction)], dim=1)
        if roi is not None:
            pair = pair.where(roi, _mean_inside(pair[:, :1], roi))
        total = torch.zeros_like(pair[:, :1])
        for scale in range(_SCALES):
            if scale:
                pair = F.avg_pool2d(pair, 2, ceil_mode=True)
            one, other = _gradients(pair)
            similarity = (2 * one * other + _CONSTANT) / (one.square() + other.square() + _CONSTANT)
            total = total + F.interpolate(1 - similarity, size, mode="bilinear", align_corners=False)
        return (total / _SCALES).clamp_min(0)


def _mean_inside(grey: Tensor, roi: Tensor) -> Tensor:
    inside = grey.where(roi, 0).sum(dim=(2, 3), keepdim=True)
    return inside / roi.sum(dim=(2, 3), keepdim=True).clamp_min(1)


def _gradients(pair: Tensor) -> tuple[Tensor, Tensor]:
    """Return the magnitudes of the gradients of two grey images `(B, 2, H, W)` by Prewitt's filters."""
    across = pair.new_tensor(_PREWITT)
    filters = torch.stack([across, across.T] * 2).unsqueeze(1)
    with torch.autocast(pair.device.type, enabled=False):
        squares = F.conv2d(F.pad(pair, (1, 1, 1, 1), mode="replicate"), filters, groups=2).square()
    return squares[:, :2].sum(dim=1, keepdim=True).sqrt(), squares[:, 2:].sum(dim=1, keepdim=True).sqrt()
