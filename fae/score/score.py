import torch
from torch import Tensor

from fae.score.average import check_exponent, damping, damping_by_others
from fae.score.residual import RESIDUALS
from fae.score.smoothing import check_smoothing, smooth
from fae.types import ImageScore


class Score:
    """From reconstructions to anomaly maps and image scores, Bauer et al. 2022, eqs. 2, 3, 13 and 14.

    Needs no network: all of it can change without retraining. What `calibrate` learns is `damping`, `(1, 1, H, W)`
    where t > 0, and the image score's `level`.

    Args:
        image_score: reduces a map to one number.
        k: odd width of the averaging filter, in pixels.
        n: how often it is applied.
        t: exponent of the validation-average damping; 0 is off, as for the paper's textures.
        residual: "squared", eq. 2; "ssim", 1 − SSIM; "darker" or "brighter", the part of eq. 2 where the image is
            darker or brighter than its reconstruction.

    Raises:
        ValueError: an argument is outside its domain.
    """

    def __init__(
        self, image_score: ImageScore, k: int = 5, n: int = 2, t: float = 0.0, residual: str = "squared"
    ) -> None:
        check_smoothing(k, n)
        check_exponent(t)
        if residual not in RESIDUALS:
            raise ValueError(f"residual (={residual!r}) must be one of {', '.join(RESIDUALS)}")
        self.image_score = image_score
        self.residual = residual
        self.k, self.n, self.t = k, n, t
        self.damping: Tensor | None = None

    def residual_map(self, image: Tensor, reconstruction: Tensor) -> Tensor:
        """`(B, 3, H, W)` both to `(B, 1, H, W)`; see `fae.score.residual`."""
        return RESIDUALS[self.residual](image, reconstruction)

    def calibrate(self, residual: Tensor, content: Tensor) -> Tensor:
        """Learn what normal looks like from held-out normal images; returns their maps, each damped by the others.

        Args:
            residual: `(N, 1, H, W)`.
            content: same shape, bool; False where an image was padded.
        """
        maps = smooth(residual, self.k, self.n)
        if self.t > 0:
            self.damping = damping(maps, self.t)
            maps = maps * damping_by_others(maps, self.t)
        pixels = maps.numpy()[content.numpy()]  # torch would index every pixel by four numbers
        self.image_score.calibrate(torch.from_numpy(pixels).view(1, 1, 1, -1))
        return maps * content

    def anomaly_map(self, residual: Tensor) -> Tensor:
        """`(B, 1, H, W)` residuals to anomaly maps of the same shape; higher means more anomalous.

        Raises:
            RuntimeError: t > 0 and `calibrate` has not run.
        """
        maps = smooth(residual, self.k, self.n)
        if self.t > 0:
            if self.damping is None:
                raise RuntimeError(f"t (={self.t}) needs calibrate(residuals of normal images) first")
            maps = maps * self.damping
        return maps


def image_scores(score: ImageScore, anomaly_map: Tensor, content: Tensor) -> Tensor:
    """Score every image by the part of its map that is no padding.

    Args:
        score: reduces maps to numbers.
        anomaly_map: `(B, 1, H, W)`.
        content: same shape, bool; False where the image was padded.

    Returns:
        `(B,)`.
    """
    if content.all():
        return score(anomaly_map)
    return torch.cat([score(one[inside].view(1, 1, 1, -1)) for one, inside in zip(anomaly_map, content, strict=True)])
