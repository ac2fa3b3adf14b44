from collections.abc import Sequence

from torch import Tensor

from fae.space.space import Space


class Pixel(Space):
    """The images themselves, as in Bauer et al. 2022.

    Args:
        name: name of the space in reports.
        channels: number of channels of an image, which is 3.

    Raises:
        ValueError: `channels` is another number.

    Examples:
        >>> import torch
        >>> image = torch.rand(1, 3, 4, 4)
        >>> bool(Pixel()(image) is image)
        True
    """

    stride = 1
    names = ("pixel",)
    shows = "reconstruction"

    def __init__(self, name: str = "pixel", channels: int = 3) -> None:
        super().__init__()
        self.name = name
        if channels != 3:
            raise ValueError(f"channels (={channels}) must be 3, because images have three colours")
        self.levels = (channels,)

    def forward(self, image: Tensor) -> Tensor:
        """Return the images `(B, 3, H, W)` as they are."""
        return image

    def mask(self, mask: Tensor) -> Tensor:
        """Return the masks `(B, 1, H, W)` as they are."""
        return mask

    def picture(self, point: Tensor, size: Sequence[int]) -> Tensor:
        """Return the images `(B, 3, H, W)` as they are."""
        return point
