import torch
from kornia.geometry.transform import rotate
from torch import Generator, Tensor

from fae.corruption.draw import Range, check_range, uniform

_ROUNDING = 1e-5  # above the rounding error of interpolating equal values; a 400th of a grey value
FILLS = ("zeros", "border", "reflection")


class Rotation:
    """The whole image, turned about its centre, while the target stays: Bauer et al. 2022, section 4.3, transistor.

    M covers every pixel that changed by more than the interpolation's rounding. The paper leaves the fill of the
    corners open. Here the border's pixels are repeated by default, because black corners would be an easy clue.

    Args:
        degrees: smallest and largest angle, in degrees counter-clockwise, in [-180, 180]; the angle is drawn per image.
        fill: content of the corners: "zeros", "border" or "reflection".
        name: name of the corruption in titles and results.

    Raises:
        ValueError: an argument is outside its domain.
    """

    def __init__(self, degrees: Range = (-30.0, 30.0), fill: str = "border", name: str = "rotation") -> None:
        self.name = name
        self.degrees = check_range("degrees", degrees, -180.0, 180.0)
        if fill not in FILLS:
            raise ValueError(f"fill (={fill!r}) must be one of {FILLS}")
        self.fill = fill

    def __call__(self, image: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """See `fae.types.Corruption`; each value of the mask is 0 or 1."""
        angle = uniform(self.degrees, (len(image),), generator).to(image.device, non_blocking=True)
        turned = rotate(image.float(), angle, padding_mode=self.fill, align_corners=False).clamp(0, 1)
        changed = ((turned - image).abs() > _ROUNDING).any(dim=1, keepdim=True)
        return torch.where(changed, turned, image), changed.to(image.dtype)
