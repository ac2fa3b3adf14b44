"""Idempotence of a network, and how far its Jacobian on normal images is from the identity.

A projection is idempotent, but its Jacobian is the identity only along the manifold: for the projection onto one of d
dimensions ‖J − I‖²_F / N = 1 − d/N.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor


def idempotence(network: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """‖F(F(X)) − F(X)‖ / √N, the root mean square change by a second pass; 0 for a projection.

    Args:
        network: F.
        image: X, `(B, C, H, W)` in [0, 1].

    Returns:
        `(B,)`, in units of intensity.
    """
    with torch.no_grad():
        once = network(image)
        return (network(once) - once).square().flatten(1).mean(dim=1).sqrt()


def jacobian_distance(
    network: Callable[[Tensor], Tensor], image: Tensor, generator: Generator, probes: int = 1
) -> Tensor:
    """‖J_F(X) − I‖_F / √N, estimated without the matrix; 0 for the identity, 1 for a constant network.

    Hutchinson's estimator, of the square: E‖(Jᵀ − I) v‖² = ‖J − I‖²_F for independent signs v. It is what the noise
    anchor weighs (arXiv 2511.07233): E‖F(X + ε) − (X + ε)‖² ≈ ‖F(X) − X‖² + σ² ‖J − I‖²_F.

    Args:
        network: F.
        image: X, `(B, C, H, W)`; each image's output must depend on that image alone, as in evaluation mode.
        generator: of the signs, on the CPU.
        probes: how many v an image.

    Returns:
        `(B,)`.
    """
    if probes < 1:
        raise ValueError(f"probes (={probes}) must be at least 1")
    point = image.detach().requires_grad_()
    total = torch.zeros(len(image), device=image.device)
    with torch.enable_grad():
        output = network(point)
        for last in range(probes - 1, -1, -1):
            signs = torch.randint(2, image.shape, generator=generator).to(image) * 2 - 1
            (pulled,) = torch.autograd.grad(output, point, signs, retain_graph=last > 0)
            total += (pulled - signs).square().flatten(1).mean(dim=1)
    return (total / probes).sqrt()
