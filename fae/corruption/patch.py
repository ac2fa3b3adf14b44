import torch
from torch import Generator, Tensor

from fae.corruption.draw import Range, check_range, uniform
from fae.corruption.part import Content
from fae.corruption.shape.shape import Shape


class Patch:
    """Content glued in through a soft shape: `X̂ = M ⊙ content + M̄ ⊙ X`, Bauer et al. 2022, section 3.2, fig. 5.

    The opacity changes the content, not M (arXiv 2511.07233 varies the opacity, too): a faint patch is content that is
    nearly X, and M says that the whole patch is to be repaired. If M were lowered instead, eq. 1 would hardly weigh
    faint damage.

    Args:
        shape: shape that draws M.
        content: content that is glued in.
        opacity: smallest and largest share of the content in a patch, in [0, 1]; the rest is the image, and the share
            is drawn per image.
        name: name of the corruption in titles and results.

    Examples:
        >>> from fae.corruption.content.constant import Constant
        >>> from fae.corruption.shape.ellipse import Ellipse
        >>> patch = Patch(Shape(Ellipse()), Constant((0, 0)), name="cut_out")
        >>> image = torch.full((2, 3, 64, 64), 0.5)
        >>> corrupted, corruption_mask = patch(image, torch.Generator().manual_seed(0))
        >>> corrupted.shape, corruption_mask.shape
        (torch.Size([2, 3, 64, 64]), torch.Size([2, 1, 64, 64]))

    Raises:
        ValueError: `opacity` is not an increasing pair in [0, 1], or its upper bound is 0.
    """

    def __init__(self, shape: Shape, content: Content, opacity: Range = (1.0, 1.0), name: str = "patch") -> None:
        self.name = name
        self.shape = shape
        self.content = content
        self.opacity = check_range("opacity", opacity, 0.0, 1.0)
        if self.opacity[1] == 0:
            raise ValueError(f"opacity (={list(opacity)}) must reach above 0, or nothing is damaged")

    def __call__(self, image: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """See `fae.types.Corruption`."""
        batch, _, height, width = image.shape
        mask = self.shape(batch, height, width, generator, image.device)
        content = self.content(image, generator)
        opacity = uniform(self.opacity, (batch, 1, 1, 1), generator).to(image.device, non_blocking=True)
        return torch.lerp(image, content, mask * opacity), mask
