from torch import Tensor

from fae.head.head import Head
from fae.types import Batch


class NoHead(Head):
    """No head, as in Bauer et al. 2022: the residual alone decides.

    Args:
        name: name of the head in reports.
    """

    names = ()

    def __init__(self, name: str = "none") -> None:
        super().__init__()
        self.name = name

    def losses(self, point: Tensor, reconstruction: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return nothing to minimise."""
        return {}

    def evidence(self, point: Tensor, reconstruction: Tensor) -> Tensor:
        """Return no map, `(B, 0, h, w)`."""
        return reconstruction[:, :0].float()
