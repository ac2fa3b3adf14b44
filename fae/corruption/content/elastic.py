import math

import torch
import torch.nn.functional as F
from kornia.enhance import adjust_brightness
from torch import Generator, Tensor

from fae.corruption.draw import Range, check_fraction, check_range, log_uniform, send, uniform
from fae.corruption.grid import identity, sample
from fae.corruption.noise import smooth_noise


class Elastic:
    """Elastic deformation, the paper's main corruption ("gaussian distortion"), and a change of brightness.

    Bauer et al. 2022, section 3.2 and fig. 5: the warp follows a Gaussian-smoothed random displacement field and
    nearly keeps the colours. The paper leaves the amplitudes open. Here they are drawn per image, in pixels, because
    training crops keep the resolution.

    Args:
        displacement_px: smallest and largest standard deviation of the displacement, in pixels, >= 0.
        smoothness_px: smallest and largest scale over which the displacement varies, in pixels, >= 1.
        brightness: largest change of intensity, in [0, 1]; 0 keeps the intensity.

    Raises:
        ValueError: an argument is outside its domain.
    """

    def __init__(
        self, displacement_px: Range = (2.0, 12.0), smoothness_px: Range = (4.0, 16.0), brightness: float = 0.4
    ) -> None:
        self.displacement_px = check_range("displacement_px", displacement_px, 0.0)
        self.smoothness_px = check_range("smoothness_px", smoothness_px, 1.0)
        self.brightness = check_fraction("brightness", brightness)

    def __call__(self, image: Tensor, generator: Generator) -> Tensor:
        """See `fae.corruption.part.Content`; the whole image is warped."""
        batch, _, height, width = image.shape
        grid = identity(height, width, image.device) + self.displacement(batch, height, width, generator, image.device)
        change = uniform((-self.brightness, self.brightness), (batch,), generator)
        brightened: Tensor = adjust_brightness(sample(image, grid), change.to(image.device, non_blocking=True))
        return brightened

    def displacement(self, batch: int, height: int, width: int, generator: Generator, device: torch.device) -> Tensor:
        """Return smooth displacement fields `(B, H, W, 2)` in units of `grid_sample`, where 2 is the image's side.

        The field is smoothed noise on a coarse lattice, stretched per image so that one cell spans `smoothness_px`.
        """
        smoothness = log_uniform(self.smoothness_px, (batch,), generator)
        amplitude = uniform(self.displacement_px, (batch,), generator)
        cells = math.ceil(max(height, width) / self.smoothness_px[0]) + 1
        side = torch.tensor([width, height], dtype=torch.float32)
        size = amplitude.view(-1, 1) * 2 / side
        noise = smooth_noise(batch, 2, cells, generator, device) * send(size[..., None, None], device)
        window = side / (smoothness.view(-1, 1) * cells)  # (B, 2), the used part of the lattice
        window = window.view(batch, 1, 1, 2).to(device, non_blocking=True)
        lattice = (identity(height, width, device) + 1) * window - 1
        field = F.grid_sample(noise, lattice, mode="bilinear", padding_mode="border", align_corners=False)
        return field.permute(0, 2, 3, 1)
