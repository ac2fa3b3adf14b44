import torch
from torch import Generator, Tensor

from fae.corruption.draw import Range, check_fraction, check_range, uniform
from fae.corruption.grid import move
from fae.corruption.shape.shape import Shape


class Swap:
    """Patch swapping, Bauer et al. 2022, section 3.2: content from another place in the same or in another image.

    Within an image two regions change places, so that a hard mask conserves the image's histogram exactly. From another
    image, content is copied from a shifted place. If a batch has only one image, or a mix chose this kind for one image
    only, there is no other image, and the content is copied from the image itself.

    Args:
        shape: shape that draws the regions.
        other: probability in [0, 1] that the content comes from another image.
        opacity: smallest and largest share of the content in a region, in [0, 1]; the share is drawn per image.
        name: name of the corruption in titles and results.

    Raises:
        ValueError: an argument is outside its domain.
    """

    def __init__(self, shape: Shape, other: float = 0.5, opacity: Range = (1.0, 1.0), name: str = "swap") -> None:
        self.name = name
        self.shape = shape
        self.other = check_fraction("other", other)
        self.opacity = check_range("opacity", opacity, 0.0, 1.0)

    def __call__(self, image: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """See `fae.types.Corruption`."""
        batch, _, height, width = image.shape
        device = image.device
        mask = self.shape(batch, height, width, generator, device)
        # The places are at least a quarter of the image apart, so that they seldom overlap.
        part = uniform((0.25, 0.75), (batch, 2), generator)
        rows, columns = (part * torch.tensor([height, width])).round().long().unbind(dim=1)
        partner = (torch.arange(batch) + torch.randint(1, max(2, batch), (batch,), generator=generator)) % batch
        foreign = (torch.rand(batch, generator=generator) < self.other).view(-1, 1, 1, 1).to(device, non_blocking=True)
        opacity = uniform(self.opacity, (batch, 1, 1, 1), generator).to(device, non_blocking=True)

        there, back = move(mask, rows, columns), move(mask, -rows, -columns)
        # Pixels that lie both in a region and in its counterpart are not exchanged.
        region = mask.masked_fill((there > 0) | (back > 0), 0)
        counterpart = move(region, rows, columns)
        exchanged = torch.where(
            counterpart > 0, move(image, rows, columns), torch.where(region > 0, move(image, -rows, -columns), image)
        )
        content = torch.where(foreign, move(image[partner.to(device, non_blocking=True)], rows, columns), exchanged)
        mask = torch.where(foreign, mask, region + counterpart)
        return torch.lerp(image, content, mask * opacity), mask
