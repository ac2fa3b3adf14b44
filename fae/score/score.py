import torch
from torch import Tensor

from fae.score.average import check_exponent, damping, damping_by_others
from fae.score.smoothing import check_smoothing, smooth
from fae.types import ImageScore, Residual


class Score:
    """From reconstructions to anomaly maps and image scores, Bauer et al. 2022, eqs. 2, 3, 13 and 14.

    It needs no network: all of it can change without retraining. `calibrate` learns `damping`, `(1, 1, H, W)` where
    t > 0, and the image score's `level`.

    Args:
        residual: compares images with their reconstructions.
        image_score: reduces a map to one number.
        k: odd width of the averaging filter, in pixels.
        n: how often the filter is applied.
        t: exponent of the validation-average damping; 0 switches it off, as for the paper's textures.

    Raises:
        ValueError: an argument is outside its domain.

    Examples:
        >>> from fae.score.image_score import Max
        >>> from fae.score.residual.squared import Squared
        >>> score = Score(Squared(), Max(), k=3, n=1)
        >>> image, reconstruction = torch.zeros(1, 3, 5, 5), torch.zeros(1, 3, 5, 5)
        >>> image[..., 2, 2] = 0.9
        >>> anomaly_map = score.anomaly_map(score.residual(image, reconstruction))
        >>> score.image_score(anomaly_map)
        tensor([0.0900])
    """

    def __init__(self, residual: Residual, image_score: ImageScore, k: int = 5, n: int = 2, t: float = 0.0) -> None:
        check_smoothing(k, n)
        check_exponent(t)
        self.residual = residual
        self.image_score = image_score
        self.k, self.n, self.t = k, n, t
        self.damping: Tensor | None = None

    def calibrate(self, residual: Tensor, content: Tensor) -> Tensor:
        """Learn what normal looks like from held-out normal images.

        Args:
            residual: `(N, 1, H, W)`, of the held-out images.
            content: same shape, bool; False where an image was padded.

        Returns:
            same shape: the images' anomaly maps, each damped by the average of the others.
        """
        maps = smooth(residual, self.k, self.n)
        return maps * self.learn(maps, content) * content

    def learn(self, smoothed: Tensor, content: Tensor) -> Tensor:
        """As `calibrate`, from maps that are smoothed already.

        Args:
            smoothed: `(N, 1, H, W)`, of the held-out images.
            content: same shape, bool; False where an image was padded.

        Returns:
            the factor of eq. 14 for each held-out image, by the average of the others, `(N, 1, H, W)`; where t = 0 a
            one that stands for all, `(1, 1, 1, 1)`.
        """
        by_others = torch.ones(1, 1, 1, 1)
        if self.t > 0:
            self.damping = damping(smoothed, self.t)
            by_others = damping_by_others(smoothed, self.t)
        calibrate_image_score(self.image_score, smoothed * by_others, content)
        return by_others

    def anomaly_map(self, residual: Tensor) -> Tensor:
        """Smooth and damp residuals.

        Args:
            residual: `(B, 1, H, W)`.

        Returns:
            same shape; higher means more anomalous.

        Raises:
            RuntimeError: t > 0 and `calibrate` has not run.
        """
        maps = smooth(residual, self.k, self.n)
        if self.t > 0:
            if self.damping is None:
                raise RuntimeError(f"t (={self.t}) needs calibrate(residuals of normal images) first")
            maps = maps * self.damping
        return maps


def calibrate_image_score(score: ImageScore, anomaly_map: Tensor, content: Tensor) -> None:
    """Let an image score learn from the maps of held-out normal images, without their padding.

    Args:
        score: reduces maps to numbers.
        anomaly_map: `(N, 1, H, W)`.
        content: same shape, bool; False where an image was padded.
    """
    pixels = anomaly_map.numpy()[content.numpy()]  # torch would index every pixel by four numbers
    score.calibrate(torch.from_numpy(pixels).view(1, 1, 1, -1))


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
