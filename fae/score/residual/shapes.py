from torch import Tensor

_COLOURS = (1, 3)


def check_colours(name: str, image: Tensor) -> None:
    """Check that a residual that only makes sense for images gets images, grey or in colour.

    Raises:
        ValueError: there are other numbers of channels, as in features.
    """
    if image.shape[1] not in _COLOURS:
        raise ValueError(
            f"score/residual={name} compares images, not features of {image.shape[1]} channels; use "
            "score/residual=squared, or space=pixel"
        )


def check_shapes(image: Tensor, reconstruction: Tensor) -> None:
    """Check that a reconstruction belongs to an image.

    Raises:
        ValueError: the shapes differ.
    """
    if image.shape != reconstruction.shape:
        raise ValueError(
            f"reconstruction (shape {tuple(reconstruction.shape)}) must have the shape of image {tuple(image.shape)}"
        )
