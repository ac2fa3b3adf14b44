from torch import Generator, Tensor

from fae.corruption.colour import desaturate, is_grey
from fae.corruption.draw import Range, check_range, uniform
from fae.corruption.part import Source


class Foreign:
    """Pictures of another data source, Bauer et al. 2022, section 4.3 (occlusion).

    On images without colours the pictures are shown in grey, because colour would give the damage away.

    Args:
        source: source that draws the pictures, see `fae.corruption.source`.
        saturation: smallest and largest share in [0, 1] of the pictures' colour that is kept; the share is drawn per
            image.

    Raises:
        ValueError: `saturation` is not an increasing pair in [0, 1].
    """

    def __init__(self, source: Source, saturation: Range = (0.0, 1.0)) -> None:
        self.source = source
        self.saturation = check_range("saturation", saturation, 0.0, 1.0)

    def __call__(self, image: Tensor, generator: Generator) -> Tensor:
        """See `fae.corruption.part.Content`."""
        batch, _, height, width = image.shape
        content = self.source(batch, height, width, generator, image.device)
        saturation = uniform(self.saturation, (batch, 1, 1, 1), generator).to(image.device, non_blocking=True)
        return desaturate(content, saturation.masked_fill(is_grey(image), 0))
