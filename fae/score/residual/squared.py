from torch import Tensor

from fae.score.residual.shapes import check_shapes


class Squared:
    """Channel-mean squared reconstruction error, Bauer et al. 2022, eq. 2.

    Examples:
        >>> import torch
        >>> image, reconstruction = torch.tensor([0.5, 0.5]), torch.tensor([0.5, 0.3])
        >>> Squared()(image.view(1, 1, 1, 2), reconstruction.view(1, 1, 1, 2))
        tensor([[[[0.0000, 0.0400]]]])
    """

    name = "squared"

    def __call__(self, image: Tensor, reconstruction: Tensor, roi: Tensor | None = None) -> Tensor:
        """Compare images.

        Args:
            image: `(B, C, H, W)` images in [0, 1], or features.
            reconstruction: `(B, C, H, W)` reconstructions.
            roi: regions of interest, which change nothing: each pixel is compared by itself.

        Returns:
            `(B, 1, H, W)` residuals >= 0; higher means more anomalous.

        Raises:
            ValueError: the shapes differ.
        """
        check_shapes(image, reconstruction)
        return (image - reconstruction).square().mean(dim=1, keepdim=True)
