import torch
from torch import Generator, Tensor

from fae.corruption.draw import uniform

_HARMONICS = 4  # from 2θ to 5θ; θ itself would only shift the shape


class Ellipse:
    """An ellipse whose radius is modulated by a few random harmonics.

    Args:
        irregularity: largest amplitude of the harmonics, in [0, 0.5]; 0 gives ellipses.

    Raises:
        ValueError: `irregularity` lies outside [0, 0.5].
    """

    def __init__(self, irregularity: float = 0.3) -> None:
        if not 0 <= irregularity <= 0.5:
            raise ValueError(f"irregularity (={irregularity}) must lie in [0, 0.5]")
        self.irregularity = irregularity

    def __call__(self, u: Tensor, v: Tensor, aspect: Tensor, generator: Generator) -> Tensor:
        """See `fae.corruption.part.Outline`."""
        radius = (u.square() + v.square()).sqrt().clamp_min(1e-6)
        if self.irregularity == 0:
            return radius
        bound = self.irregularity / _HARMONICS
        amplitude = uniform((-bound, bound), (_HARMONICS, 2, *aspect.shape), generator).to(u.device, non_blocking=True)
        direction = torch.complex(u / radius, v / radius)
        multiple = direction
        outline = torch.ones_like(radius)
        for cosine, sine in amplitude:
            multiple = multiple * direction
            outline += cosine * multiple.real + sine * multiple.imag
        return radius / outline
