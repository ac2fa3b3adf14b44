from torch import Tensor


def residual_map(image: Tensor, reconstruction: Tensor) -> Tensor:
    """Channel-mean squared reconstruction error, Bauer et al. 2022, eq. 2.

    Args:
        image: `(B, C, H, W)`, intensities in [0, 1].
        reconstruction: same shape and range.

    Returns:
        `(B, 1, H, W)`, >= 0; higher means more anomalous.

    Raises:
        ValueError: the shapes differ.
    """
    if image.shape != reconstruction.shape:
        raise ValueError(
            f"reconstruction (shape {tuple(reconstruction.shape)}) must have the shape of image {tuple(image.shape)}"
        )
    return (image - reconstruction).square().mean(dim=1, keepdim=True)
