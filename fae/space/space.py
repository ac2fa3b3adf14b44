from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn


class Space(nn.Module, ABC):
    """A frozen map from images to what the network reconstructs: X and X̂ of Bauer et al. 2022 may live in any space.

    The channels of a space form levels, such as the feature maps of one stride; scores keep the levels apart.
    """

    name: str
    """The name of the space in reports."""
    stride: int
    """The side of a cell in pixels."""
    coarsest: int = 1
    """The side in pixels of the coarsest cell that the space looks at: images of its multiples need no resizing."""
    levels: tuple[int, ...]
    """The number of channels of each level; they follow each other, and their sum is C."""
    fine: int = 0
    """The number of leading channels that come from strides below a cell's side, such as those of the image."""
    names: tuple[str, ...]
    """The name of each level, as pictures and reports show it."""
    shows: str
    """What `picture` shows of a reconstruction, in words."""

    def check(self, size: Sequence[int]) -> None:
        """Check that this space takes images of a `(height, width)` in pixels.

        Raises:
            ValueError: the images are too small.
        """

    def fit(self, images: Sequence[Tensor], rois: Sequence[Tensor] | None = None) -> None:
        """Learn statistics from the training images, unless they are known already.

        Args:
            images: batches `(B, 3, H, W)` uint8.
            rois: their regions of interest `(B, 1, H, W)` bool; None if all counts.
        """

    @abstractmethod
    def forward(self, image: Tensor) -> Tensor:
        """Map images `(B, 3, H, W)` in [0, 1] to points `(B, C, h, w)` of this space, float32."""

    def undamaged(self, image: Tensor) -> Tensor:
        """Map undamaged images, which come back again and again, to the points of `forward`, up to rounding."""
        return self(image)  # type: ignore[no-any-return]

    def forget(self) -> None:
        """Free what was kept for images that come back."""

    @abstractmethod
    def mask(self, mask: Tensor) -> Tensor:
        """Bring masks `(B, 1, H, W)` in [0, 1] to the cells of this space, `(B, 1, h, w)` in [0, 1]."""

    def cells(self, roi: Tensor) -> Tensor:
        """Return which cells hold a pixel of regions of interest `(B, 1, H, W)` bool, `(B, 1, h, w)` bool."""
        return self.mask(roi.float()) > 0

    @abstractmethod
    def picture(self, point: Tensor, size: Sequence[int]) -> Tensor:
        """Show points `(B, C, h, w)` as images `(B, 3, *size)` in [0, 1]."""
