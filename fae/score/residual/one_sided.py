import torch
from torch import Tensor

from fae.score.median import median
from fae.score.residual.shapes import check_colours, check_shapes

_SIGNS = {"darker": -1, "brighter": 1}


class OneSided:
    """Eq. 2 where the image is darker, or brighter, than its reconstruction: for defects whose sign is known.

    In the paper both signs count. Here one sign counts, so that bright grain, which no network reproduces, is not an
    anomaly. First the median of the difference is subtracted from each channel, because a shift of the whole image is
    not a defect. Half of the pixels then remain at any brightness, which keeps maps and their medians comparable.
    The amplify objective, too, reconstructs dark damage brighter than it is.

    Args:
        side: sign of the difference that counts: the image is "darker" or "brighter" than its reconstruction.

    Raises:
        ValueError: there is no such side.

    Examples:
        >>> import torch
        >>> image, reconstruction = torch.tensor([0.5, 0.2, 0.9]), torch.tensor([0.5, 0.5, 0.5])
        >>> OneSided("darker")(image.view(1, 1, 1, 3), reconstruction.view(1, 1, 1, 3))
        tensor([[[[0.0000, 0.0900, 0.0000]]]])
    """

    def __init__(self, side: str) -> None:
        if side not in _SIGNS:
            raise ValueError(f"side (={side!r}) must be one of {', '.join(_SIGNS)}")
        self.name = side

    def __call__(self, image: Tensor, reconstruction: Tensor, roi: Tensor | None = None) -> Tensor:
        """Compare images.

        Args:
            image: `(B, C, H, W)` images, intensities in [0, 1].
            reconstruction: `(B, C, H, W)` reconstructions, intensities in [0, 1].
            roi: `(B, 1, H, W)` bool, the pixels whose median is subtracted; None takes all.

        Returns:
            `(B, 1, H, W)` residuals >= 0; higher means more anomalous.

        Raises:
            ValueError: the shapes differ, or they are those of features.
        """
        check_shapes(image, reconstruction)
        check_colours(self.name, image)
        difference = _SIGNS[self.name] * (image - reconstruction)
        offset = median(difference.flatten(2))[..., None, None] if roi is None else _median_inside(difference, roi)
        return (difference - offset).clamp_min(0).square().mean(dim=1, keepdim=True)


def _median_inside(planes: Tensor, roi: Tensor) -> Tensor:
    """Return the median of each plane of `(B, C, H, W)` over the pixels of a region, `(B, C, 1, 1)`."""
    rising = planes.masked_fill(~roi, torch.inf).flatten(2).sort(dim=2).values
    middle = (roi.flatten(2).sum(dim=2, keepdim=True) - 1) // 2
    return rising.gather(2, middle.expand(-1, planes.shape[1], -1)).unsqueeze(-1)
