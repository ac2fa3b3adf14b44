from torch import Tensor


def check_shapes(image: Tensor, reconstruction: Tensor) -> None:
    """Check that a reconstruction belongs to an image.

    Raises:
        ValueError: the shapes differ.
    """
    if image.shape != reconstruction.shape:
        raise ValueError(
            f"reconstruction (shape {tuple(reconstruction.shape)}) must have the shape of image {tuple(image.shape)}"
        )
