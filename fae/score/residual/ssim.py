from kornia.metrics import ssim
from torch import Tensor

from fae.score.residual.shapes import check_colours, check_shapes

_WINDOW = 11  # px, with a standard deviation of 1.5 px, as in Wang et al. 2004


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

    def __call__(self, image: Tensor, reconstruction: Tensor) -> Tensor:
        """Compare images.

        Args:
            image: `(B, C, H, W)` images, intensities in [0, 1].
            reconstruction: `(B, C, H, W)` reconstructions, intensities in [0, 1].

        Returns:
            `(B, 1, H, W)` residuals in [0, 2]; higher means more anomalous.

        Raises:
            ValueError: the shapes differ, or they are those of features.
        """
        check_shapes(image, reconstruction)
        check_colours(self.name, image)
        similarity: Tensor = ssim(image.float(), reconstruction.float(), _WINDOW, max_val=1.0)
        return (1 - similarity.mean(dim=1, keepdim=True)).clamp_min(0)
