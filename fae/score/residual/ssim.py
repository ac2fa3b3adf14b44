import torch
from kornia.filters import gaussian_blur2d
from kornia.metrics import ssim
from torch import Tensor

from fae.score.residual.shapes import check_colours, check_shapes

_WINDOW, _SIGMA = 11, 1.5  # px, as in Wang et al. 2004
_LEAST_MEAN, _LEAST_SPREAD = 0.01**2, 0.03**2  # C₁ and C₂ of the same paper, for intensities up to 1


class Dissimilarity:
    """1 − SSIM, the alternative to eq. 2 that Bauer et al. 2022, section 4.1, use for some categories.

    The similarity is averaged over the channels. An inverted structure gives values above 1, which are kept.

    Examples:
        >>> import torch
        >>> image = torch.rand(1, 3, 16, 16)
        >>> bool(Dissimilarity()(image, image).max() < 1e-5)
        True
    """

    name = "ssim"

    def __call__(self, image: Tensor, reconstruction: Tensor, roi: Tensor | None = None) -> Tensor:
        """Compare images.

        Args:
            image: `(B, C, H, W)` images, intensities in [0, 1].
            reconstruction: `(B, C, H, W)` reconstructions, intensities in [0, 1].
            roi: `(B, 1, H, W)` bool, the pixels over which the windows run; None takes all.

        Returns:
            `(B, 1, H, W)` residuals in [0, 2]; higher means more anomalous.

        Raises:
            ValueError: the shapes differ, or they are those of features.
        """
        check_shapes(image, reconstruction)
        check_colours(self.name, image)
        pair = image.float(), reconstruction.float()
        similarity: Tensor = ssim(*pair, _WINDOW, max_val=1.0) if roi is None else _ssim_inside(*pair, roi)
        return (1 - similarity.mean(dim=1, keepdim=True)).clamp_min(0)


def _ssim_inside(one: Tensor, other: Tensor, roi: Tensor) -> Tensor:
    """Return the similarity of Wang et al. 2004, eq. 13, whose windows run over the pixels of a region alone."""
    inside = roi.float()
    share = _blurred(inside).clamp_min(1e-12)

    def mean(values: Tensor) -> Tensor:
        return _blurred(values.where(roi, 0)) / share

    mean_one, mean_other = mean(one), mean(other)
    spread_one, spread_other = mean(one.square()) - mean_one.square(), mean(other.square()) - mean_other.square()
    common = mean(one * other) - mean_one * mean_other
    above = (2 * mean_one * mean_other + _LEAST_MEAN) * (2 * common + _LEAST_SPREAD)
    below = (mean_one.square() + mean_other.square() + _LEAST_MEAN) * (spread_one + spread_other + _LEAST_SPREAD)
    return above / below


def _blurred(values: Tensor) -> Tensor:
    with torch.autocast(values.device.type, enabled=False):
        blurred: Tensor = gaussian_blur2d(values, (_WINDOW, _WINDOW), (_SIGMA, _SIGMA), border_type="reflect")
    return blurred
