import torch
from torch import Generator

from fae.corruption.draw import is_number
from fae.types import Batch


def check_sigma(sigma: float) -> float:
    """Return `sigma` as a float.

    Raises:
        ValueError: `sigma` is not a finite number, or is negative.
    """
    if not is_number(sigma) or sigma < 0:
        raise ValueError(
            f"data.noise_sigma (={sigma}) must be a finite number, 0 or above; 0 switches the noise anchor off"
        )
    return float(sigma)


def anchor(batch: Batch, sigma: float, clip: bool, generator: Generator) -> Batch:
    """Add the same Gaussian noise to input and target: F(X̂ + ε) → X + ε, arXiv 2511.07233.

    It ties the Jacobian of F to the identity, E‖F(X̂ + ε) − (X + ε)‖² ≈ ‖F(X̂) − X‖² + σ²‖J_F − I‖²_F, so that
    F passes undamaged content on. M does not change; |X̂ − X| changes only by clipping. F cannot reach a target outside
    [0, 1] through its sigmoid. The source leaves open whether such a target is clipped; here `clip` decides.

    Args:
        batch: batch of clean and corrupted images, `(B, 3, H, W)` in [0, 1].
        sigma: standard deviation of the noise, >= 0; if it is 0, the batch itself is returned.
        clip: whether input and target are brought back to [0, 1].
        generator: CPU generator that seeds another on the images' device, where the noise is drawn.

    Returns:
        the batch with noise.
    """
    if sigma == 0:
        return batch
    seed = int(torch.randint(2**62, (), generator=generator))
    on_device = torch.Generator(batch.clean.device).manual_seed(seed)
    noise = torch.randn(batch.clean.shape, generator=on_device, device=batch.clean.device) * sigma
    clean, corrupted = batch.clean + noise, batch.corrupted + noise
    if clip:
        clean, corrupted = clean.clamp(0, 1), corrupted.clamp(0, 1)
    return batch._replace(clean=clean, corrupted=corrupted)
