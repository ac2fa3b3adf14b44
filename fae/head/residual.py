import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fae.head.head import Head
from fae.head.target import focal_loss, target
from fae.types import Batch


class ResidualHead(Head):
    """Learns which residuals mean damage, from X̂ and F(X̂) − X̂; the idea of DRAEM (Zavrtanik et al. 2021).

    Where good texture leaves large residuals, their size alone misleads. The head sees all channels, and a 3×3
    neighbourhood.

    Args:
        channels: number of channels C of the space.
        name: name of the head in reports.
        width: number of channels of the two hidden layers, >= 1.
        gamma: exponent γ of the focal loss, >= 0.
        change: the least visible change |X̂ − X| of a pixel, in [0, 1], see `fae.head.target.target`.
        covered: share of a cell that visible damage must exceed for the cell to be damaged, in [0, 1).
        clear: value of M that no pixel of an intact cell reaches, in (0, 1].

    Raises:
        ValueError: an argument is outside its domain.
    """

    names = ("head",)

    def __init__(
        self,
        channels: int,
        name: str = "residual",
        width: int = 64,
        gamma: float = 2.0,
        change: float = 0.03,
        covered: float = 0.3,
        clear: float = 0.02,
    ) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"head.width (={width}) must be at least 1; 64 is a good default")
        if gamma < 0:
            raise ValueError(f"head.gamma (={gamma}) must not be negative; 2 is a good default")
        for name, value in (("change", change), ("covered", covered), ("clear", clear)):
            if not 0 <= value <= 1:
                raise ValueError(f"head.{name} (={value}) must lie in [0, 1]")
        self.name = name
        self.gamma, self.change, self.covered, self.clear = gamma, change, covered, clear
        self.layers = nn.Sequential(
            nn.BatchNorm2d(2 * channels),
            nn.Conv2d(2 * channels, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, 1, 1),
        )

    def forward(self, point: Tensor, reconstruction: Tensor) -> Tensor:
        """Return logits of damage, `(B, 1, h, w)` float32, of X̂ and F(X̂), both `(B, C, h, w)`."""
        seen = reconstruction.detach()
        logit: Tensor = self.layers(
            torch.cat([point, seen - point], dim=1).contiguous(memory_format=torch.channels_last)
        )
        return logit.float()

    def losses(self, point: Tensor, reconstruction: Tensor, batch: Batch) -> dict[str, Tensor]:
        """See `Head.losses`: the focal loss."""
        logit = self(point, reconstruction)
        height, width = logit.shape[-2:]
        cells = target(batch, (height, width), self.change, self.covered, self.clear)
        return {"head": focal_loss(logit, cells, self.gamma)}

    def evidence(self, point: Tensor, reconstruction: Tensor) -> Tensor:
        """See `Head.evidence`."""
        return F.softplus(self(point, reconstruction))
