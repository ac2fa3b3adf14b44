import torch
from torch import Generator

from fae.corruption.draw import is_number
from fae.types import Batch


def check_sigma(sigma: float) -> float:
    """Return `sigma`.

    Raises:
        ValueError: it is no number, or negative.
    """
    if not is_number(sigma) or sigma < 0:
        raise ValueError(
            f"data.noise_sigma (={sigma}) must be a finite number, 0 or above; 0 switches the noise anchor off"
        )
    return float(sigma)


def anchor(batch: Batch, sigma: float, clip: bool, generator: Generator) -> Batch:
    """Add the same Gaussian noise to input and target: F(X̂ + ε) → X + ε, arXiv 2511.07233.

    It ties the Jacobian of F to the identity, E‖F(X̂ + ε) − (X + ε)‖² ≈ ‖F(X̂) − X‖² + σ²‖J_F − I‖²_F, so that
    F passes on what is not damage. M stays as it is, and so does |X̂ − X| unless clipped. Open there: whether a target
    outside [0, 1], which F cannot reach through its sigmoid, is clipped; here: a key.

    Args:
        batch: clean and corrupted images in [0, 1].
        sigma: of the noise, >= 0; 0 returns the batch itself.
        clip: bring input and target back to [0, 1].
        generator: on the CPU; seeds one on the images' device, where the noise is drawn.
    """
    if sigma == 0:
        return batch
    seed = int(torch.randint(2**62, (), generator=generator))
    on_device = torch.Generator(batch.clean.device).manual_seed(seed)
    noise = torch.randn(batch.clean.shape, generator=on_device, device=batch.clean.device) * sigma
    clean, corrupted = batch.clean + noise, batch.corrupted + noise
    if clip:
        clean, corrupted = clean.clamp(0, 1), corrupted.clamp(0, 1)
    return Batch(clean, corrupted, batch.corruption_mask)
