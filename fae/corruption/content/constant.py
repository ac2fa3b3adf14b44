from torch import Generator, Tensor

from fae.corruption.colour import desaturate, is_grey
from fae.corruption.draw import Range, check_range, uniform


class Constant:
    """One colour for each image; on images without colours it is a grey.

    With `[0, 0]` it is the cut-out of Bauer et al. 2022, section 3.2, which is known to overfit.

    Args:
        intensity: smallest and largest value of each channel, in [0, 1]; the values are drawn per image.

    Raises:
        ValueError: `intensity` is not an increasing pair in [0, 1].
    """

    def __init__(self, intensity: Range = (0.0, 1.0)) -> None:
        self.intensity = check_range("intensity", intensity, 0.0, 1.0)

    def __call__(self, image: Tensor, generator: Generator) -> Tensor:
        """See `fae.corruption.part.Content`."""
        colour = uniform(self.intensity, (len(image), 3, 1, 1), generator).to(image.device, non_blocking=True)
        return desaturate(colour, 1 - is_grey(image).float()).expand_as(image)
