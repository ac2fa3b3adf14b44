import torch
from torch import Generator, Tensor

from fae.corruption.colour import is_grey
from fae.corruption.draw import Range, check_fraction, check_range, log_uniform, uniform


class Intensity:
    """The image itself, lighter or darker and with more or less contrast; Bauer et al. 2022, section 3.2.

    Args:
        brightness: smallest and largest absolute change of intensity, in [0, 1]; the sign of the change is drawn.
        contrast: smallest and largest factor on the deviation from the image's mean, > 0.
        tint: largest difference of the change between the channels, in [0, 1]; images without colours get no tint.

    Raises:
        ValueError: an argument is outside its domain.
    """

    def __init__(self, brightness: Range = (0.05, 0.4), contrast: Range = (0.6, 1.6), tint: float = 0.1) -> None:
        self.brightness = check_range("brightness", brightness, 0.0, 1.0)
        self.contrast = check_range("contrast", contrast, 1e-3)
        self.tint = check_fraction("tint", tint)

    def __call__(self, image: Tensor, generator: Generator) -> Tensor:
        """See `fae.corruption.part.Content`."""
        batch, device = len(image), image.device
        size = uniform(self.brightness, (batch, 1, 1, 1), generator)
        sign = 1 - 2 * torch.randint(2, (batch, 1, 1, 1), generator=generator)
        tint = uniform((-self.tint / 2, self.tint / 2), (batch, 3, 1, 1), generator)
        contrast = log_uniform(self.contrast, (batch, 1, 1, 1), generator).to(device, non_blocking=True)
        mean = image.mean(dim=(2, 3), keepdim=True)
        # `addcmul` needs only one multiplication and one addition per element.
        offset = (
            mean * (1 - contrast)
            + (size * sign).to(device, non_blocking=True)
            + tint.to(device, non_blocking=True).masked_fill(is_grey(image), 0)
        )
        return torch.addcmul(offset, image, contrast).clamp(0, 1)
