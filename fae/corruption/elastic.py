import math

import torch
import torch.nn.functional as F
from kornia.enhance import adjust_brightness
from kornia.filters import gaussian_blur2d
from torch import Generator, Tensor

from fae.corruption.draw import Range, check_range, log_uniform, uniform
from fae.corruption.shape import SoftShape


class Elastic:
    """Elastic deformation glued in through a soft shape, the paper's main corruption ("gaussian distortion").

    `X̂ = M ⊙ brighten(warp(X)) + M̄ ⊙ X`, Bauer et al. 2022, section 3.2 and fig. 5: the warp follows a
    Gaussian-smoothed random displacement field and nearly keeps the colours. Paper: amplitudes open; here:
    drawn per image, in pixels, because training crops keep the resolution.

    Args:
        shape: draws M.
        displacement_px: smallest and largest standard deviation of the displacement, in pixels.
        smoothness_px: smallest and largest scale over which the displacement varies, in pixels.
        brightness: largest change of intensity of the warped content, in [0, 1]; 0 keeps it.

    Raises:
        ValueError: an argument is outside its domain.
    """

    def __init__(
        self,
        shape: SoftShape,
        displacement_px: Range = (2.0, 12.0),
        smoothness_px: Range = (4.0, 16.0),
        brightness: float = 0.4,
    ) -> None:
        self.shape = shape
        self.displacement_px = check_range("displacement_px", displacement_px, 0.0)
        self.smoothness_px = check_range("smoothness_px", smoothness_px, 1.0)
        if not 0 <= brightness <= 1:
            raise ValueError(f"brightness (={brightness}) must lie in [0, 1]; 0 keeps the intensity")
        self.brightness = brightness

    def __call__(self, image: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """`(B, 3, H, W)` in [0, 1] to `(corrupted, corruption_mask)`; see `fae.types.Corruption`."""
        batch, _, height, width = image.shape
        mask = self.shape(batch, height, width, generator).to(image.device)
        displacement = self._displacement(batch, height, width, generator).to(image.device)
        # Float32 throughout: bf16 grid_sample is broken on the CPU.
        warped = F.grid_sample(
            image.float(),
            _identity(height, width, image.device) + displacement,
            mode="bilinear",
            padding_mode="reflection",
            align_corners=False,
        )
        change = uniform((-self.brightness, self.brightness), (batch,), generator)
        content = adjust_brightness(warped, change.to(image.device))
        return torch.lerp(image, content, mask), mask

    def _displacement(self, batch: int, height: int, width: int, generator: Generator) -> Tensor:
        """Smooth fields `(B, H, W, 2)` on the CPU, in units of `grid_sample`: 2 is the image's side.

        Smoothed noise on a coarse lattice, stretched per image so that one cell spans `smoothness_px`.
        """
        smoothness = log_uniform(self.smoothness_px, (batch,), generator)
        amplitude = uniform(self.displacement_px, (batch,), generator)
        cells = math.ceil(max(height, width) / self.smoothness_px[0]) + 1
        noise = torch.randn((batch, 2, cells, cells), generator=generator)
        # Smoothing over one cell divides the deviation of white noise by 2√π.
        noise = gaussian_blur2d(noise, (5, 5), (1.0, 1.0)) * (2 * math.sqrt(math.pi))
        side = torch.tensor([width, height], dtype=torch.float32)
        window = side / (smoothness.view(-1, 1) * cells)  # (B, 2), part of the lattice that is used
        window = window.view(batch, 1, 1, 2)
        lattice = (_identity(height, width, torch.device("cpu")) + 1) * window - 1
        field = F.grid_sample(noise, lattice, mode="bilinear", padding_mode="border", align_corners=False)
        field = field.permute(0, 2, 3, 1) * amplitude.view(-1, 1, 1, 1)
        return field * 2 / side


def _identity(height: int, width: int, device: torch.device) -> Tensor:
    """The sampling grid `(1, H, W, 2)` that leaves an image as it is."""
    eye = torch.eye(2, 3, device=device).unsqueeze(0)
    return F.affine_grid(eye, [1, 1, height, width], align_corners=False)
