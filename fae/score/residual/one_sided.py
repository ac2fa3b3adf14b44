import torch
from torch import Tensor

from fae.score.residual.shapes import check_shapes

_SIGNS = {"darker": -1, "brighter": 1}


class OneSided:
    """Eq. 2 where the image is darker, or brighter, than its reconstruction: for defects whose sign is known.

    Paper: both signs count; here: one, because bright grain that no network returns is then no anomaly. First the
    median of the difference is subtracted from each channel: a shift of the whole image is no defect. With half of the
    pixels left at any brightness, maps and their medians stay comparable. By amplify, too, dark damage comes back
    brighter.

    Args:
        side: "darker" or "brighter".

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

    def __call__(self, image: Tensor, reconstruction: Tensor) -> Tensor:
        """Compare images.

        Args:
            image: `(B, C, H, W)`, intensities in [0, 1].
            reconstruction: same shape and range.

        Returns:
            `(B, 1, H, W)`, >= 0; higher means more anomalous.

        Raises:
            ValueError: the shapes differ.
        """
        check_shapes(image, reconstruction)
        difference = _SIGNS[self.name] * (image - reconstruction)
        planes = difference.flatten(0, 1)
        offset = torch.stack([plane.median() for plane in planes])  # along a dimension CUDA's is not deterministic
        offset = offset.view(*difference.shape[:2], 1, 1)
        return (difference - offset).clamp_min(0).square().mean(dim=1, keepdim=True)
