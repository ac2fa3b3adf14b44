from torch import Tensor

from fae.score.average import check_exponent, damping
from fae.score.smoothing import check_smoothing, smooth
from fae.types import ImageScore


class Score:
    """From residual maps to anomaly maps and image scores, Bauer et al. 2022, eqs. 3, 13 and 14.

    Needs no network: k, n, t and the image score can change without retraining.

    Args:
        image_score: reduces a map to one number.
        k: odd width of the averaging filter, in pixels.
        n: how often it is applied.
        t: exponent of the validation-average damping; 0 is off, as for the paper's textures.

    Raises:
        ValueError: an argument is outside its domain.
    """

    def __init__(self, image_score: ImageScore, k: int = 5, n: int = 2, t: float = 0.0) -> None:
        check_smoothing(k, n)
        check_exponent(t)
        self.image_score = image_score
        self.k, self.n, self.t = k, n, t
        self._damping: Tensor | None = None

    def calibrate(self, residual: Tensor) -> None:
        """Learn what normal looks like from residual maps `(N, 1, H, W)` of held-out normal images."""
        maps = smooth(residual, self.k, self.n)
        if self.t > 0:
            self._damping = damping(maps, self.t)
            maps = maps * self._damping
        self.image_score.calibrate(maps)

    def anomaly_map(self, residual: Tensor) -> Tensor:
        """`(B, 1, H, W)` residuals to anomaly maps of the same shape; higher means more anomalous.

        Raises:
            RuntimeError: t > 0 and `calibrate` has not run.
        """
        maps = smooth(residual, self.k, self.n)
        if self.t > 0:
            if self._damping is None:
                raise RuntimeError(f"t (={self.t}) needs calibrate(residuals of normal images) first")
            maps = maps * self._damping
        return maps
